"""Seeds of the annotation formats that are only read, and variants that no writer here writes."""

HAND_MADE: dict[str, list[dict[str, str]]] = {
    "coco": [
        {
            "annotations.json": """{"info": {"year": 2024}, "licenses": [], "categories":
[{"id": 0, "name": "faces", "supercategory": "none"}, {"id": 1, "name": "Face", "supercategory": "faces"}], "images":
[{"id": 7, "file_name": "a/one.jpg", "height": 48, "width": 64, "extra": {"name": "one.jpg"}}], "annotations": [{"id":
1, "image_id": 7, "category_id": 1, "bbox": [4.0, 5.5, 16, 24.5], "area": 392, "segmentation": [[4, 5, 20, 5, 20, 30]],
"iscrowd": 0, "attributes": {"occluded": false, "rotation": 0.0}, "keypoints": [6, 8, 2, 9, 13, 1, 0, 0, 0, 15, 23, 2,
18, 28, 2], "num_keypoints": 4}]}"""
        }
    ],
    "voc": [
        {
            "one.xml": """<?xml version="1.0" encoding="utf-8"?>
<annotation verified="no"><folder>images</folder><filename>one.jpg</filename><source><database>Unknown</database>
</source><size><width>64</width><height>48</height><depth>3</depth></size><segmented>0</segmented><object><name>face
</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult><bndbox><xmin>4</xmin><ymin>5.5</ymin>
<xmax>20</xmax><ymax>30</ymax></bndbox></object></annotation>"""
        }
    ],
    "detections": [
        {
            "detections.jsonl": """{"picture": "a.jpg", "height": 48, "width": 64, "faces": [{"box": [4.5, 5, 20, 30], \
"score": 0.98, "landmarks": [[6, 8], [9, 13], [12, 18], [15, 23], [18, 28]]}]}
{"picture": "in/two.jpg", "height": 48, "width": 64, "faces": []}
{"video": "film.mp4", "frame": 3, "time": 0.12, "faces": [{"box": [4, 5, 20, 30], "score": 0.5}]}
"""
        }
    ],
    "detections_txt": [{"news/one.txt": "one\n0\n", "two.txt": "two\n1\n4 5 16 24 0.9\n"}],
    "coco_results": [
        {"results.json": '[{"image_id": "a/one.jpg", "category_id": 1, "bbox": [4, 5.5, 16, 24], "score": 0.9}]'}
    ],
    "scrfd": [{"labelv2.txt": f"# news/one.jpg 64 48\n4 5 20 29{' 6 8 1' * 5}\n30 6 60 40 1\n# two.png 64 48\n"}],
    "yolo": [
        {
            "classes.txt": "person\nface\n",
            "labels/news/one.txt": "1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.2 0.2\n",
            "labels/two.txt": "",
        }
    ],
}
