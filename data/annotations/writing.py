"""Write ground truth in any format."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from data.annotations.capabilities import fit_annotations
from data.annotations.format import FileHead
from data.annotations.record import Annotation
from data.annotations.registry import find_format, recognize_content
from utils.errors import UserError
from utils.files import atomic_path, new_folder, refuse_existing


def write_annotations(
    annotations: Sequence[Annotation], path: str | Path, format_name: str, *, images: str | Path | None = None
) -> list[str]:
    """Write a set of annotations to a new file, or to a new folder where the format is one.

    Reading it again gives what was written, in all that the format holds. Where the format has a width and a height,
    x2 and y2 may differ by rounding of the last digit.

    Args:
        format_name: the name of the format, one of WRITABLE.
        images: folder of the images. Where the format has sizes, unknown ones are read from the images' headers.

    Returns:
        A sentence for each thing that the format cannot hold; see `fit_annotations`.

    Raises:
        UserError: the path exists, cannot be written, or as `fit_annotations`. Nothing is written then.
    """
    with write_at_exit(annotations, path, format_name, images=images) as sentences:
        return sentences


@contextmanager
def write_at_exit(
    annotations: Sequence[Annotation], path: str | Path, format_name: str, *, images: str | Path | None = None
) -> Iterator[list[str]]:
    """Write as `write_annotations` does, to a temporary place that becomes `path` when the block succeeds.

    Several sets written in one block appear together at its end, or not at all.
    """
    path = Path(path)
    refuse_existing(path)
    target = find_format(format_name)
    if target.write is None:
        raise UserError(f"{format_name}: {target.description} can only be read; choose another format to write")
    fitted, sentences = fit_annotations(annotations, format_name, images=images)
    with (new_folder if target.is_folder else atomic_path)(path) as place:
        target.write(place, fitted)
        if not target.is_folder and recognize_content(FileHead.read(place, format_name)) != format_name:
            raise UserError(
                f"{fitted[0].name!r}: the file would not be recognized as {format_name} by this name of its first"
                " image; rename the image or choose another format"
            )
        yield sentences
