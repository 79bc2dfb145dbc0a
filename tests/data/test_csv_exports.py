"""Tables that labelling tools and datasets have: the names of their columns, their rows, and classes beside them."""

import pytest

from data.annotations import read_annotations
from tests.data.test_exports import boxes, read, write_export
from tests.helpers.annotations import write_files
from tests.helpers.exports import OPEN_IMAGES
from utils.errors import UserError


def test_columns_of_a_table_that_are_not_known_are_named(tmp_path):
    path = write_files(tmp_path, {"a.csv": "file,score\na.jpg,1\n"}) / "a.csv"
    with pytest.raises(UserError, match="found the columns file, score; expected a table with names of images"):
        read_annotations(path)


def test_tables_keep_further_columns_and_name_bad_rows(tmp_path):
    rows = ["image;x;y;width;height;occluded;note", '"a;1.jpg";1;2;3;4;1;"two\nlines"', "b.jpg;1;2;;4;0;", ""]
    path = write_files(tmp_path, {"a.csv": "\r\n".join(rows)}) / "a.csv"
    problems = []
    annotations = read_annotations(path, problems=problems)
    assert [each.name for each in annotations] == ["a;1.jpg", "b.jpg"] and boxes(annotations) == [[1, 2, 4, 6]]
    assert annotations[0].attributes["occluded"].tolist() == [1]
    assert [(each.sentence, each.record) for each in problems] == [(f"{path}:4: found '' for w; expected a number", 1)]


def test_a_table_in_a_folder_counts_only_if_it_has_boxes(tmp_path):
    annotations = read(tmp_path, {"label.txt": "# a.jpg\n1 2 3 4\n", "statistics.csv": "epoch,loss\n1,2\n"})
    assert boxes(annotations) == [[1, 2, 4, 6]]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("image_name,width,height,x0,y0,x1,y1", "a.jpg,640,480,10,20,40,60"),
        ("image_id,x_1,y_1,width,height", "a.jpg,10,20,30,40"),
        ("file,xmin,ymin,width,height,class", "a.jpg,10,20,30,40,face"),
        ("filename,left,top,w,h", "a.jpg,10,20,30,40"),
    ],
)
def test_ways_to_call_the_columns_of_a_table(tmp_path, header, row):
    assert boxes(read(tmp_path, {"faces.csv": f"{header}\n{row}\n"})) == [[10, 20, 40, 60]]


def test_a_table_with_unknown_columns_is_named_by_its_folder(tmp_path):
    write_files(tmp_path, {"train.csv": 'image_id,bbox\na,"[1, 2, 3, 4]"\n', "images/a.jpg": ""})
    with pytest.raises(UserError, match=r"train\.csv: found the columns image_id, bbox; expected a table"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("place", ["annotations/class-descriptions.csv", "metadata/classes.csv"])
def test_the_names_of_open_images_classes_lie_beside_the_table(tmp_path, place):
    files = {
        "annotations/default-annotations-bbox.csv": OPEN_IMAGES.replace("/m/0dzct", "/m/0"),
        place: "/m/0,Face\n/m/0k4j,Car\n",
    }
    found = read(tmp_path, files, images=write_export(tmp_path / "other", "via") / "images")
    assert found.classes.faces == {"Face": 2} and found.classes.others == {"Car": 1}
