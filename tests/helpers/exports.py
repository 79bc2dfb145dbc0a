"""The same two images, a.jpg with two faces and a car and b.jpg with none, as labelling tools export them."""

import json

SIZE = (480, 640)  # height, width
FACES = [[64, 48, 128, 144], [320.5, 240, 32.5, 60]]  # x y w h of a.jpg
CAR = [10, 300, 200, 100]
OBJECTS = [("face", FACES[0]), ("car", CAR), ("Face", FACES[1])]


def corners(box: list[float]) -> list[float]:
    x, y, w, h = box
    return [x, y, x + w, y + h]


def outline(box: list[float]) -> list[list[float]]:
    x1, y1, x2, y2 = corners(box)
    return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]


def percent(box: list[float]) -> dict[str, float]:
    height, width = SIZE
    x, y, w, h = box
    return {"x": x / width * 100, "y": y / height * 100, "width": w / width * 100, "height": h / height * 100}


def labelme(*shapes: dict, name: str = "a.jpg") -> str:
    content = {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": name, "imageData": "/9j/4AAQ" * 9}
    return json.dumps(content | {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}, indent=2)


def labelme_shape(label: str, box: list[float], kind: str = "rectangle", **more) -> dict:
    x1, y1, x2, y2 = corners(box)
    points = [[x2, y2], [x1, y1]] if kind == "rectangle" else outline(box)  # drawn from the lower right
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def supervisely(*objects: tuple[str, list[float]]) -> str:
    records = [
        {
            "id": 497489555,
            "classId": 1693021,
            "description": "",
            "geometryType": "rectangle",
            "labelerLogin": "me",
            "createdAt": "2020-08-22T09:32:48.010Z",
            "updatedAt": "2020-08-22T09:33:08.926Z",
            "tags": [],
            "classTitle": label,
            "points": {"exterior": [corners(box)[:2], corners(box)[2:]], "interior": []},
        }
        for label, box in objects
    ]
    size = {"height": SIZE[0], "width": SIZE[1]}
    return json.dumps({"description": "", "tags": [], "size": size, "objects": records})


def vott_asset(name: str, objects: list, state: int = 2) -> dict:
    regions = [
        {
            "id": "FGLsOjQgN",
            "type": "RECTANGLE",
            "tags": [label],
            "boundingBox": {"height": h, "width": w, "left": x, "top": y},
            "points": [{"x": px, "y": py} for px, py in outline([x, y, w, h])],
        }
        for label, (x, y, w, h) in objects
    ]
    asset = {
        "format": "jpg",
        "id": f"id of {name}",
        "name": name,
        "path": f"file:C:/Users/me/{name}",
        "size": {"width": SIZE[1], "height": SIZE[0]},
        "state": state,
        "type": 1,
    }
    return {"asset": asset, "regions": regions, "version": "2.2.0"}


def vott(*assets: dict) -> str:
    content = {
        "name": "faces",
        "securityToken": "faces Token",
        "videoSettings": {"frameExtractionRate": 15},
        "tags": [{"name": "face", "color": "#5db300"}, {"name": "car", "color": "#e81123"}],
        "id": "wcrCGrxCo",
        "activeLearningSettings": {"autoDetect": False, "predictTag": True, "modelPathType": "coco"},
        "version": "2.2.0",
        "lastVisitedAssetId": "id of a.jpg",
        "assets": {each["asset"]["id"]: each for each in assets},
    }
    return json.dumps(content, indent=4)


def via_region(label: str, box: list[float]) -> dict:
    x, y, w, h = box
    return {
        "shape_attributes": {"name": "rect", "x": x, "y": y, "width": w, "height": h},
        "region_attributes": {"class": label},
    }


def via_images(regions: list | dict) -> dict:
    return {
        "a.jpg123": {"filename": "a.jpg", "size": 123, "regions": regions, "file_attributes": {}},
        "b.jpg99": {"filename": "b.jpg", "size": 99, "regions": type(regions)(), "file_attributes": {}},
    }


def via_project(regions: list) -> str:
    settings = {"ui": {}, "core": {"buffer_size": "18", "default_filepath": ""}, "project": {"name": "faces"}}
    attributes = {"region": {"class": {"type": "dropdown", "options": {"face": ""}}}, "file": {}}
    images = via_images(regions)
    content = {"_via_settings": settings, "_via_img_metadata": images, "_via_attributes": attributes}
    return json.dumps(content | {"_via_data_format_version": "2.0.10", "_via_image_id_list": list(images)})


def via_3() -> str:
    labels = ["face", "car", "Face"]
    metadata = {
        f"1_{i}": {"vid": "1", "flg": 0, "z": [], "xy": [2, *box], "av": {"1": str(i)}}
        for i, (_, box) in enumerate(OBJECTS)
    }
    attribute = {"aname": "kind", "anchor_id": "FILE1_Z0_XY1", "type": 4, "desc": "", "default_option_id": ""}
    content = {
        "project": {"pid": "__VIA_PROJECT_ID__", "rev": "1", "pname": "faces", "vid_list": ["1", "2"]},
        "config": {"file": {"loc_prefix": {"1": "", "2": ""}}, "ui": {}},
        "attribute": {"1": attribute | {"options": dict(zip("012", labels, strict=True))}},
        "file": {
            fid: {"fid": fid, "fname": name, "type": 2, "loc": 1, "src": ""}
            for fid, name in (("1", "a.jpg"), ("2", "b.jpg"))
        },
        "metadata": metadata,
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
    }
    return json.dumps(content)


def studio_region(label: str, box: list[float], number: int = 0, **value) -> dict:
    return {
        "original_width": SIZE[1],
        "original_height": SIZE[0],
        "image_rotation": 0,
        "value": {**percent(box), "rotation": 0, "rectanglelabels": [label]} | value,
        "id": f"region{number}",
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "origin": "manual",
    }


def studio_task(number: int, name: str, *annotations: dict, **more) -> dict:
    task = {
        "id": number,
        "annotations": list(annotations),
        "file_upload": f"0f3ab1c2-{name}",
        "drafts": [],
        "predictions": [],
        "data": {"image": f"/data/upload/1/0f3ab1c2-{name}"},
        "meta": {},
        "created_at": "2023-01-01T00:00:00.000000Z",
        "total_annotations": len(annotations),
    }
    return task | more


def studio_annotation(*regions: dict, **more) -> dict:
    own = {"id": 7, "completed_by": 1, "result": list(regions), "was_cancelled": False, "ground_truth": False}
    return own | {"lead_time": 3.5, "parent_prediction": None} | more


def studio_regions() -> list[dict]:
    return [studio_region(label, box, number) for number, (label, box) in enumerate(OBJECTS)]


def studio_min_labels() -> list[dict]:
    sizes = {"original_width": SIZE[1], "original_height": SIZE[0]}
    return [{**percent(box), "rotation": 0, "rectanglelabels": [label], **sizes} for label, box in OBJECTS]


def studio_min() -> str:
    more = {"annotator": 1, "annotation_id": 7, "created_at": "2023-01-01T00:00:00Z", "lead_time": 3.5}
    first = {"image": "/data/upload/1/0f3ab1c2-a.jpg", "id": 1, "label": studio_min_labels(), **more}
    return json.dumps([first, {"image": "/data/upload/1/0f3ab1c2-b.jpg", "id": 2, **more}])


def studio_csv(separator: str = ",") -> str:
    labels = '"' + json.dumps(studio_min_labels()).replace('"', '""') + '"'
    rows = [
        ["annotation_id", "annotator", "created_at", "id", "image", "label", "lead_time", "updated_at"],
        ["7", "1", "2023-01-01T00:00:00Z", "1", "/data/upload/1/0f3ab1c2-a.jpg", labels, "3.5", "2023-01-01T00:00:00Z"],
        ["8", "1", "2023-01-01T00:00:00Z", "2", "/data/upload/1/0f3ab1c2-b.jpg", "", "1.5", "2023-01-01T00:00:00Z"],
    ]
    return "".join(separator.join(row) + "\r\n" for row in rows)


def createml(key: str = "image", records: str = "annotations") -> str:
    def coordinates(box: list[float]) -> dict:
        x, y, w, h = box
        return {"x": x + w / 2, "y": y + h / 2, "width": w, "height": h}

    found = [{"label": label, "coordinates": coordinates(box)} for label, box in OBJECTS]
    return json.dumps([{key: "a.jpg", records: found}, {key: "b.jpg", records: []}])


def fiftyone_samples(**fields) -> str:
    def sample(name: str, objects: list) -> dict:
        detections = [
            {
                "_id": {"$oid": "5f452c60ef00e6374aad9394"},
                "_cls": "Detection",
                "attributes": {},
                "tags": [],
                "label": label,
                "bounding_box": [part / 100 for part in percent(box).values()],
                "mask": None,
                "confidence": None,
                "index": None,
            }
            for label, box in objects
        ]
        return {
            "_id": {"$oid": "5f452471ef00e6374aac53c8"},
            "filepath": f"data/{name}",
            "tags": ["validation"],
            "_media_type": "image",
            "metadata": None,
            "ground_truth": {"_cls": "Detections", "detections": detections},
        } | fields

    return json.dumps({"samples": [sample("a.jpg", OBJECTS), sample("b.jpg", [])]})


def fiftyone_labels() -> str:
    found = [
        {"label": index, "bounding_box": [part / 100 for part in percent(box).values()], "iscrowd": 0}
        for index, (_, box) in enumerate(OBJECTS)
    ]
    return json.dumps({"classes": [label for label, _ in OBJECTS], "labels": {"a": found, "b": []}})


def datumaro(*annotations: dict) -> str:
    def item(name: str, records: list) -> dict:
        image = {"path": f"{name}.jpg", "size": list(SIZE)}
        return {"id": name, "annotations": records, "attr": {"frame": 0}, "image": image, "point_cloud": {"path": ""}}

    labels = [{"name": label, "parent": "", "attributes": []} for label, _ in OBJECTS]
    categories = {"label": {"labels": labels, "attributes": ["occluded"]}, "points": {"items": []}}
    return json.dumps({"info": {}, "categories": categories, "items": [item("a", list(annotations)), item("b", [])]})


def datumaro_box(label: int, box: list[float], rotation: float = 0.0) -> dict:
    attributes = {"occluded": False, "rotation": rotation}
    own = {"id": 0, "type": "bbox", "attributes": attributes, "group": 0, "label_id": label, "z_order": 0}
    return own | {"bbox": box}


def cvat_images(*shapes: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta><task><id>4</id>'
        "<labels><label><name>face</name></label><label><name>car</name></label></labels></task></meta>\n"
        f'  <image id="0" name="a.jpg" width="{SIZE[1]}" height="{SIZE[0]}">\n{"".join(shapes)}  </image>\n'
        f'  <image id="1" name="b.jpg" width="{SIZE[1]}" height="{SIZE[0]}">\n  </image>\n</annotations>\n'
    )


def cvat_box(label: str, box: list[float], more: str = "", inside: str = "") -> str:
    x1, y1, x2, y2 = corners(box)
    return (
        f'    <box label="{label}" source="manual" occluded="0" xtl="{x1:.2f}" ytl="{y1:.2f}" xbr="{x2:.2f}"'
        f' ybr="{y2:.2f}" z_order="0"{more}>{inside}\n    </box>\n'
    )


def table(header: str, row: str, background: str = "", end: str = "\n") -> str:
    """Return a table with the columns of a row, formatted with label, x, y, w, h, x2, y2, width and height."""
    lines = [header] if header else []
    for label, box in OBJECTS:
        names = zip(("x", "y", "w", "h", "x2", "y2"), (*box, *corners(box)[2:]), strict=True)
        lines.append(row.format(label=label, width=SIZE[1], height=SIZE[0], **dict(names)))
    return end.join([*lines, *([background] if background else [])]) + end


def via_csv() -> str:
    def cell(value: object) -> str:
        return '"' + json.dumps(value, separators=(",", ":")).replace('"', '""') + '"'

    rows = ["filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"]
    for number, (label, box) in enumerate(OBJECTS):
        region = via_region(label, box)
        shape, attributes = cell(region["shape_attributes"]), cell(region["region_attributes"])
        rows.append(f'a.jpg,123,"{{}}",3,{number},{shape},{attributes}')
    return "\n".join([*rows, 'b.jpg,99,"{}",0,0,"{}","{}"']) + "\n"


OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    "a,xclick,/m/0dzct,1,0.1,0.3,0.1,0.4,0,0,0,0,0\n"
    "a,xclick,/m/0k4j,1,0.015625,0.328125,0.625,0.8333333,0,0,0,0,0\n"
    "a,xclick,/m/0dzct,1,0.50078125,0.5515625,0.5,0.625,0,0,0,0,0\n"
)
TF = table("filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,{width},{height},{label},{x},{y},{x2},{y2}")
VOTT_CSV = table('"image","xmin","ymin","xmax","ymax","label"', '"a.jpg",{x},{y},{x2},{y2},"{label}"')
MAKESENSE = "{label},{x},{y},{w},{h},a.jpg,{width},{height}"
MAKESENSE_HEADER = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height"

# Name of an export -> its format, and its files. All have the two images and the three objects.
EXPORTS: dict[str, tuple[str, dict[str, str]]] = {
    "labelme": (
        "labelme",
        {"a.json": labelme(*(labelme_shape(*each) for each in OBJECTS)), "b.json": labelme(name="b.jpg")},
    ),
    "labelme on Windows": (
        "labelme",
        {
            "json/a.json": labelme(*(labelme_shape(*each) for each in OBJECTS), name="..\\images\\a.jpg"),
            "json/b.json": labelme(name="..\\images\\b.jpg"),
        },
    ),
    "supervisely": (
        "supervisely",
        {
            "meta.json": json.dumps({"classes": [{"title": "face", "shape": "rectangle"}], "tags": []}),
            "ds/ann/a.jpg.json": supervisely(*OBJECTS),
            "ds/ann/b.jpg.json": supervisely(),
        },
    ),
    "vott": ("vott", {"faces-export.json": vott(vott_asset("a.jpg", OBJECTS), vott_asset("b.jpg", [], state=1))}),
    "vott assets": (
        "vott",
        {
            "0a-asset.json": json.dumps(vott_asset("a.jpg", OBJECTS)),
            "0b-asset.json": json.dumps(vott_asset("b.jpg", [], state=1)),
            "faces.vott": "{}",
        },
    ),
    "vott csv": ("csv", {"faces-export.csv": VOTT_CSV + '"b.jpg",,,,,\n'}),
    "via": ("via", {"via_region_data.json": json.dumps(via_images([via_region(*each) for each in OBJECTS]))}),
    "via 1": (
        "via",
        {"via.json": json.dumps(via_images({str(i): via_region(*each) for i, each in enumerate(OBJECTS)}))},
    ),
    "via project": ("via", {"via_project.json": via_project([via_region(*each) for each in OBJECTS])}),
    "via 3": ("via", {"via_project.json": via_3()}),
    "via csv": ("csv", {"via_region_data.csv": via_csv()}),
    "via 1 csv": ("csv", {"via_region_data.csv": "#" + via_csv()}),
    "label studio": (
        "label_studio",
        {
            "project-1-at-2023-01-01-00-00-0f3ab1c2.json": json.dumps(
                [
                    studio_task(1, "a.jpg", studio_annotation(*studio_regions())),
                    studio_task(2, "b.jpg", studio_annotation()),
                ]
            )
        },
    ),
    "label studio min": ("label_studio", {"project-1-min.json": studio_min()}),
    "label studio csv": ("csv", {"project-1.csv": studio_csv()}),
    "label studio tsv": ("csv", {"project-1.tsv": studio_csv("\t")}),
    "createml": ("createml", {"_annotations.createml.json": createml()}),
    "createml of IBM": ("createml", {"annotations.json": createml("imagefilename", "annotation")}),
    "fiftyone": (
        "fiftyone",
        {"metadata.json": json.dumps({"name": "faces", "media_type": "image"}), "samples.json": fiftyone_samples()},
    ),
    "fiftyone labels": ("fiftyone", {"labels.json": fiftyone_labels()}),
    "datumaro": (
        "datumaro",
        {"annotations/default.json": datumaro(*(datumaro_box(i, box) for i, (_, box) in enumerate(OBJECTS)))},
    ),
    "cvat": ("cvat", {"annotations.xml": cvat_images(*(cvat_box(*each) for each in OBJECTS))}),
    "tensorflow": ("csv", {"train_labels.csv": "\ufeff" + TF + "b.jpg,640,480,,,,,\n"}),
    "roboflow": ("csv", {"_annotations.csv": TF.replace("\n", "\r\n") + "b.jpg,640,480,,,,,\r\n"}),
    "keras": ("csv", {"annotations.csv": table("", "/home/me/a.jpg,{x},{y},{x2},{y2},{label}", "/home/me/b.jpg,,,,,")}),
    "makesense": ("csv", {"labels_2023.csv": table("", MAKESENSE) + ",,,,,b.jpg,640,480\n"}),
    "makesense with a header": ("csv", {"labels.csv": table(MAKESENSE_HEADER, MAKESENSE) + ",,,,,b.jpg,640,480\n"}),
    "open images": ("csv", {"validation-annotations-bbox.csv": OPEN_IMAGES + "b,,,,,,,,,,,,\n"}),
}
