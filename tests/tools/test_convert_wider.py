"""`python -m tools.convert` on a small WIDER FACE as downloaded."""

import json
import shlex

import numpy as np
import pytest

from data.annotations import Annotation, read_annotations, write_annotations
from data.dataset import FaceDataset
from tests.helpers.images import draw_image

EVENTS = ("0--Parade", "1--Handshaking", "2--Demonstration", "3--Riot", "4--Dancing")
SUBSETS = ("easy", "medium", "hard")


@pytest.fixture
def downloaded(tmp_path):
    """The archives of WIDER FACE and its evaluation unpacked: two images for each event and split.

    The first has two faces, of which the second is invalid, the other one none in the first event and else one.
    """
    folder = tmp_path / "WIDER"
    for split in ("train", "val"):
        text, truth = "", []
        for number, event in enumerate(EVENTS):
            for image in range(2):
                name = f"{event}/{number}_{event[3:]}_{split}_{image}.jpg"
                boxes = [(10 + number, 20, 30, 36), (70, 30, 20, 24)][: 2 if image == 0 else min(number, 1)]
                draw_image(folder / f"WIDER_{split}" / "images" / name, boxes, seed=number)
                rows = "".join(f"{x} {y} {w} {h} 0 0 0 {index} 2 0 \n" for index, (x, y, w, h) in enumerate(boxes))
                text += f"{name}\n{len(boxes)}\n{rows or '0 0 0 0 0 0 0 0 0 0 ' + chr(10)}"
                corners = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], float).reshape(-1, 4)
                counts = np.arange(len(boxes)) == 0
                subsets = {subset: counts & (number >= least) for least, subset in enumerate(SUBSETS)}
                truth.append(Annotation(name, corners, np.full((len(boxes), 5, 2), -1.0), subsets=subsets))
        labels = folder / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"
        labels.parent.mkdir(exist_ok=True)
        labels.write_text(text)
    (folder / "eval_tools").mkdir()
    write_annotations(truth, folder / "eval_tools" / "ground_truth", "wider_mat")
    # The split's own file of that name lacks the lists of the subsets beside it.
    (folder / "wider_face_split" / "wider_face_val.mat").write_bytes(b"not this one")
    (folder / "WIDER_test" / "images" / "9--Press").mkdir(parents=True)
    return folder


def write_detections(folder, annotations):
    """Write each face that is not to be ignored as a detection of score 0.9."""
    for annotation in annotations:
        path = folder / f"{annotation.name.removesuffix('.jpg')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        boxes = annotation.boxes[~annotation.ignored]
        rows = [f"{x1:.0f} {y1:.0f} {x2 - x1:.0f} {y2 - y1:.0f} 0.9" for x1, y1, x2, y2 in boxes]
        path.write_text("\n".join([path.stem, str(len(rows)), *rows]) + "\n")


def test_wider_face_is_converted_for_training_and_evaluation(convert, script, downloaded, tmp_path, random_weights):
    out = tmp_path / "widerface"
    result = convert(downloaded, out)
    assert result.status == 0, result.err
    assert "train: 10 images (1 background), 14 faces" in result.out
    assert "val: 10 images (1 background), 14 faces" in result.out
    assert "landmarks: none; --landmarks takes" in result.out

    dataset = FaceDataset(out / "train" / "label.txt", 64)
    # Invalid faces are there, marked, so that nobody learns that they are none.
    assert (len(dataset), dataset.count_background(), dataset.count_faces()) == (10, 1, 9)
    assert dataset.annotations.ignored.sum() == 5
    truth = read_annotations(out / "val")
    assert [each.attributes["invalid"].tolist() for each in truth[:2]] == [[0, 1], []]

    detected = script(
        "val_tvface.py", "-m", random_weights["mobile0.25"], "--cpu", "--keep_top_k", 3,
        "--dataset_folder", out / "val" / "images", "--save_folder", tmp_path / "found",
    )  # fmt: skip
    assert detected.status == 0, detected.err
    assert len(list((tmp_path / "found").glob("*/*.txt"))) == 10

    write_detections(tmp_path / "perfect", truth)
    for name, gt in (("mat", out / "val" / "ground_truth"), ("text", out / "val")):
        scored = script(
            "val_dataset_evaluate/eval.py", "-p", tmp_path / "perfect", "-g", gt, "--images", out / "val" / "images",
            "--result", tmp_path / name,
        )  # fmt: skip
        assert scored.status == 0, scored.err
        subsets = json.loads((tmp_path / name / "ap.json").read_text())["models"]["perfect"]["subsets"]
        assert {key: (value["ap"], value["faces"]) for key, value in subsets.items()} == (
            {"easy": (1, 9), "medium": (1, 8), "hard": (1, 6)} if name == "mat" else {"all": (1, 9)}
        )


def test_printed_commands_name_existing_paths(convert, downloaded, tmp_path):
    out = tmp_path / "wider face"
    printed = [shlex.split(line) for line in convert(downloaded, out).out.splitlines() if line.startswith("python ")]
    assert [words[1] for words in printed] == 2 * ["train.py", "val_tvface.py", "val_dataset_evaluate/eval.py"]
    paths = {word for words in printed for word in words if word.startswith(str(out))}
    assert paths == {f"{out}/train/label.txt", f"{out}/val/images", f"{out}/val/ground_truth"}
    assert all((out / path).exists() for path in paths)


def test_landmark_files_replace_the_boxes_of_their_images(convert, downloaded, tmp_path):
    points = "20 30 0.0 30 30 0.0 25 38 0.0 21 45 0.0 29 45 0.0"
    label = f"# 1--Handshaking/1_Handshaking_train_0.jpg\n11 20 30 36 {points} 0.8\n71 31 9 9 {'-1 -1 -1 ' * 5}0.2\n"
    landmarks = downloaded / "retinaface_gt" / "train" / "label.txt"
    landmarks.parent.mkdir(parents=True)
    landmarks.write_text(label)
    result = convert(downloaded, tmp_path / "found")
    assert f"landmarks: {landmarks}" in result.out
    assert "train: dropped: what the third column of a landmark or the 20th says of 2 faces" in result.out
    elsewhere = landmarks.rename(tmp_path / "elsewhere.txt")
    assert convert(downloaded, tmp_path / "named", "--landmarks", elsewhere).status == 0
    for out in ("found", "named"):
        annotations = {each.name: each for each in read_annotations(tmp_path / out / "train" / "label.txt")}
        assert len(annotations) == 10
        fixed = annotations["1--Handshaking/1_Handshaking_train_0.jpg"]
        assert fixed.boxes.tolist() == [[11, 20, 41, 56], [71, 31, 80, 40]]
        assert fixed.landmark_mask.tolist() == [True, False]
        assert fixed.landmarks[0].tolist() == [[20, 30], [30, 30], [25, 38], [21, 45], [29, 45]]
        assert sum(each.landmark_mask.sum() for each in annotations.values()) == 1
        assert sum(len(each.boxes) for each in annotations.values()) == 10


def test_without_the_evaluation_tools_there_are_no_subsets(convert, downloaded, tmp_path):
    (downloaded / "eval_tools" / "ground_truth" / "wider_hard_val.mat").unlink()
    result = convert(downloaded, tmp_path / "out")
    assert result.status == 0
    assert "easy, medium and hard: unknown; unpack eval_tools.zip" in result.out
    assert f"-g {tmp_path / 'out'}/val --result" in result.out
    assert not (tmp_path / "out" / "val" / "ground_truth").exists()


@pytest.mark.parametrize(
    ("missing", "archive"),
    [
        ("WIDER_train", "WIDER_train.zip"),
        ("WIDER_val/images", "WIDER_val.zip"),
        ("wider_face_split/wider_face_val_bbx_gt.txt", "wider_face_split.zip"),
        ("wider_face_split", "wider_face_split.zip"),
    ],
)
def test_missing_parts_are_reported_with_their_archive(convert, downloaded, tmp_path, missing, archive):
    (downloaded / missing).rename(tmp_path / "moved")
    convert(downloaded, tmp_path / "out").refuses(
        missing.split("/")[0], f"unpack {archive}", "shuoyang1213.me/WIDERFACE"
    )
    assert not (tmp_path / "out").exists()


def test_a_missing_wider_image_is_reported_with_its_line(convert, downloaded, tmp_path):
    (downloaded / "WIDER_val" / "images" / "0--Parade" / "0_Parade_val_1.jpg").unlink()
    result = convert(downloaded, tmp_path / "out")
    result.refuses("wider_face_val_bbx_gt.txt:5: found no image '0--Parade/0_Parade_val_1.jpg'", "1 of the 10")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("# other/a.jpg\n1 2 3 4 " + "5 5 0 " * 5 + "1\n", ["label.txt:1", "'other/a.jpg'", "training set"]),
        ("# 3--Riot/3_Riot_train_0.jpg\n1 2 3 4\n", ["label.txt", "has no landmarks"]),
    ],
)
def test_landmark_files_of_other_datasets_are_refused(convert, downloaded, tmp_path, text, parts):
    (tmp_path / "label.txt").write_text(text)
    convert(downloaded, tmp_path / "out", "--landmarks", tmp_path / "label.txt").refuses(*parts)


LANDMARKS = f"# 3--Riot/3_Riot_train_0.jpg\n11 20 30 36 {'20 30 0 ' * 5}1\n"


def write_landmarks(folder, text=LANDMARKS):
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "label.txt").write_text(text)


def test_datasets_beside_wider_face_are_skipped_as_landmark_files(convert, downloaded, tmp_path):
    """WIDER FACE in data/, where other datasets are, and where it is converted to, once and again."""
    write_landmarks(downloaded / "tvface", "# other.jpg\n1 2 3 4\n")
    write_landmarks(downloaded / "more", "# other.jpg\n1 2 3 4 " + "5 5 0 " * 5 + "1\n")
    result = convert(downloaded, downloaded / "first")
    assert result.status == 0, result.err
    assert "landmarks: none" in result.out
    for name, problem in (("tvface", ": has no landmarks"), ("more", ":1: found 'other.jpg'")):
        assert f"skipped as landmark file: {downloaded / name / 'train' / 'label.txt'}{problem}" in result.out
    write_landmarks(downloaded / "retinaface")
    for name in ("second", "third"):
        result = convert(downloaded, downloaded / name)
        assert result.status == 0, result.err
        assert f"landmarks: {downloaded / 'retinaface' / 'train' / 'label.txt'}\n" in result.out


TYPO = f"# 3--Riot/3_Riot_train_0.jpg\n10 10 2O 20 {'20 30 0 ' * 5}1\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (LANDMARKS + TYPO.replace("3--Riot/3_Riot", "1--Handshaking/1_Handshaking"), [":4: found '10 10 2O 20"]),
        (TYPO, [":2: found '10 10 2O 20"]),
        (
            LANDMARKS + LANDMARKS.replace("11", "70"),
            [":3: found '3--Riot/3_Riot_train_0.jpg', which is ", ":1; "],
        ),
        (LANDMARKS + LANDMARKS.replace("3--Riot/", ""), [":3: found '3_Riot_train_0.jpg'", "training set"]),
    ],
    ids=["typo", "nothing but a typo", "an image twice", "another image"],
)
@pytest.mark.parametrize("is_named", [False, True])
def test_mistakes_in_landmark_files_are_reported(convert, downloaded, tmp_path, text, parts, is_named):
    write_landmarks(downloaded / "retinaface", text)
    path = downloaded / "retinaface" / "train" / "label.txt"
    result = convert(downloaded, tmp_path / "out", *(["--landmarks", path] if is_named else []))
    result.refuses(path, *parts)
    assert not (tmp_path / "out").exists()


def test_malformed_labels_of_other_images_are_skipped(convert, downloaded, tmp_path):
    write_landmarks(downloaded / "tvface", LANDMARKS.replace("3--Riot", "other") + TYPO.replace("3--Riot", "other"))
    write_landmarks(downloaded / "list", "a.jpg\nb.jpg\n")
    result = convert(downloaded, tmp_path / "out")
    assert result.status == 0, result.err
    assert result.out.count("skipped as landmark file") == 2 and "landmarks: none" in result.out


@pytest.mark.parametrize("split", ["train", "val"])
def test_outputs_among_wider_images_are_refused(convert, downloaded, split):
    out = downloaded / f"WIDER_{split}" / "images" / "out"
    convert(downloaded, out).refuses(out, "among the images")
    assert not out.exists()


def test_several_landmark_files_are_refused(convert, downloaded, tmp_path):
    for name in ("a", "b"):
        write_landmarks(downloaded / name)
    convert(downloaded, tmp_path / "out").refuses("a/train/label.txt, b/train/label.txt", "--landmarks")


@pytest.mark.parametrize("flags", [["--to", "coco"], ["--split", "train=1"], ["--seed", "0"], ["--faces_only"]])
def test_wider_face_refuses_other_splits_and_formats(convert, downloaded, tmp_path, flags):
    convert(downloaded, tmp_path / "out", *flags).refuses(f"{flags[0]}: ", "has formats and splits of its own")
