"""VoTT 2: the JSON of an export or of each asset, and the frames of VoTT 1."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, as_object, json_files
from data.annotations.json_values import number_of, objects_of, points_of
from data.annotations.objects import ObjectReader, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import RECTANGLE, Shape, outline, rectangle
from utils.wording import counted


def read_vott(path: Path, options: ReadOptions) -> Annotations:
    """Read one file, or all below a folder. Images that nobody has opened are dropped, with a note.

    Raises:
        UserError: a file that is malformed, named with the asset.
    """
    reader, assets, unseen = ObjectReader(path, options), {}, 0
    for _, where, content in json_files(path, reader, recognizes):
        with reader.skipping():
            # An export and the files of its assets may lie in one folder.
            assets |= {identity: (where, record) for identity, record in _assets(where, content)}
    names = Counter(_name(record) for _, record in assets.values())
    for identity, (file, record) in assets.items():
        where = f"{file}: asset {identity[:60]}"
        with reader.skipping():
            asset = as_object(where, record.get("asset"))
            regions, size = objects_of(where, record, "regions"), asset.get("size") or {}
            if asset.get("state") == 0 and not regions:
                unseen += 1
                continue
            size = valid_size(size.get("height"), size.get("width")) if isinstance(size, dict) else None
            name = _name(record)
            image = reader.new_image(asset.get("path") or name if names[name] > 1 else name, where, size)
            for number, region in enumerate(regions, start=1):
                with reader.skipping(image):
                    place = f"{where}: region {number}"
                    tags = region.get("tags") if isinstance(region.get("tags"), list) else []
                    reader.add(image, place, tags, _shape(place, region))
    if unseen:
        reader.notes.append(f"not read: {counted(unseen, 'image')} that nobody has opened in VoTT")
    return reader.annotations()


def _assets(where: str, content: dict) -> Iterator[tuple[str, dict]]:
    """Yield the identity and the record of each asset of a file."""
    if isinstance(content.get("frames"), dict):  # VoTT 1
        for name, regions in content["frames"].items():
            yield name, {"asset": {"name": name}, "regions": regions}
        return
    for record in objects_of(where, content, "assets") if "assets" in content else [content]:
        asset = as_object(where, record.get("asset"))
        yield str(asset.get("id") or asset.get("name")), record


def _name(record: dict) -> str | None:
    """Return the name of an asset's image, which images of several folders may share; None: it has none."""
    asset = record.get("asset")
    names = [asset.get(key) for key in ("name", "path")] if isinstance(asset, dict) else []
    return next((name for name in names if isinstance(name, str) and name), None)


def _shape(where: str, region: dict) -> Shape:
    if "boundingBox" not in region and "x1" in region:  # VoTT 1
        return rectangle(*(number_of(where, region, key) for key in ("x1", "y1", "x2", "y2")))
    kind = str(region.get("type") or "RECTANGLE").lower()
    if kind not in ("rectangle", "square"):
        return outline(kind, points_of(where, region, "points"))
    box = as_object(where, region.get("boundingBox"))
    return Shape(RECTANGLE, tuple(number_of(where, box, key) for key in ("left", "top", "width", "height")))


def recognizes(head: FileHead) -> bool:
    first = head.keys[0]
    is_export = "assets" in first and bool(first & {"tags", "securityToken", "lastVisitedAssetId", "videoSettings"})
    is_first_version = "frames" in first and bool(first & {"inputTags", "framerate", "visitedFrames", "scd"})
    return is_export or {"asset", "regions"} <= first or is_first_version or first == {"asset"}


VOTT = Format(
    name="vott",
    description="VoTT JSON",
    read=read_vott,
    capabilities=OBJECTS,
    recognizes=recognizes,
    files="*.json",
    file_per_image=True,
    has_classes=True,
)
