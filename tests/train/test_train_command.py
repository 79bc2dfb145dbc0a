"""train.py as users run it: options, files, output, and errors."""

import re
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.train.config import TrainConfig
from engine.train.main import choose_network
from models.registry import DEFAULT_NETWORK, NETWORKS
from models.weights import load_network, save_network
from tests.helpers.images import draw_image
from tests.helpers.scripts import shown_in_terminal
from tests.helpers.training import FAST, equal, events, scalars, weights


@pytest.fixture
def train(script, dataset, tmp_path):
    """Run train.py on the small dataset: train("--epochs", 1, ...) -> Outcome; checkpoints go to tmp_path/weights."""

    def call(*arguments, flags=FAST):
        where = ("--training_dataset", dataset, "--save_folder", tmp_path / "weights")
        if "--resume_net" in arguments:
            flags = [flag for flag in flags if flag != "--no_pretrain"]
        return script("train.py", *where, *flags, *arguments)

    return call


def test_checkpoints_are_written_on_schedule(train, tmp_path):
    outcome = train("--epochs", 5, "--save_every", 2)
    assert outcome.status == 0, outcome.err
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [
        "mobilenet0.25_Final.pth",
        "mobilenet0.25_curves.png",
        "mobilenet0.25_epoch_2.pth",
        "mobilenet0.25_epoch_4.pth",
        "mobilenet0.25_epoch_5.pth",
        "mobilenet0.25_last.ckpt",
        "mobilenet0.25_log.csv",
        "mobilenet0.25_tensorboard",
    ]
    assert equal(
        weights(tmp_path / "weights" / "mobilenet0.25_Final.pth"),
        weights(tmp_path / "weights" / "mobilenet0.25_epoch_5.pth"),
    )


def test_the_first_lines_describe_the_run(train, random_weights, dataset):
    start = random_weights["mobile0.25"]
    flags = ("--epochs", 2, "--lr", 0.01, "--finetune_epochs", 1, "--finetune_from", 1, "--val_dataset", dataset)
    flags += ("--accumulate", 2, "--seed", 7)
    first, *_ = train(*flags, "--resume_net", start).out.split("\nepoch 1/2 ")
    lines = dict(line.split(maxsplit=1) for line in first.splitlines())
    assert lines["network"] == f"mobilenet0.25, 426,608 weights, from {start}"
    assert lines["data"] == "6 images with 9 faces at 64 px, batch 4 x 2 a step; dev set 6 images"
    assert lines["epochs"] == "1 to 2, lr 0.01; then 1 more from 1, lr 1e-05, seed 7"
    assert lines["recipe"] == "published"
    assert lines["device"] == f"CPU with {torch.get_num_threads()} threads, float32, 0 loader workers"
    for part in ("version ", "PyTorch ", "OpenCV ", "Python "):
        assert part in lines["program"]
    resumed = train("--resume", "--finetune_epochs", 2, flags=()).out
    assert "426,608 weights, resumed after epoch 2\n" in resumed
    assert "\nepochs   2 to 3, lr 1e-05, seed 7\n" in resumed


def test_an_epoch_without_matched_priors_gives_a_warning(train, dataset):
    rows = [line if line.startswith("#") else "1 1 0.02 0.02" for line in dataset.read_text().splitlines()]
    dataset.write_text("\n".join(rows))
    outcome = train("--epochs", 1)
    assert outcome.status == 0 and outcome.err.count("no prior matched any face") == 1
    assert "python -m tools.check" in outcome.err


def test_background_images_add_hard_negatives_to_the_loss(train, dataset, tmp_path):
    for number in range(4):
        draw_image(tmp_path / "studio" / f"{number}.jpg", [], seed=40 + number)
    dataset.write_text(dataset.read_text() + "# 6.jpg\n")
    draw_image(dataset.parent / "images" / "6.jpg", [], seed=50)
    flags = ("--epochs", 1, "--batch_size", 11, "--negatives", tmp_path / "studio")
    losses = {}
    for count in (0, 1, 200):
        outcome = train(*flags, "--faceless_negatives", count)
        assert outcome.status == 0, outcome.err
        assert "data     11 images with 9 faces, 5 background images at 64 px" in outcome.out
        mean = next(line for line in outcome.out.splitlines() if " mean " in line).split()
        losses[count] = {name: float(mean[mean.index(name) + 1]) for name in ("box", "class")}
    assert losses[0]["box"] == losses[1]["box"] == losses[200]["box"]
    assert losses[0]["class"] < losses[1]["class"] < losses[200]["class"]
    train(*flags, "--negatives", tmp_path / "none").refuses("none: cannot be read")
    images = dataset.parent / "images"
    train(*flags, "--negatives", images).refuses(images / "0.jpg", "has faces in", "6 of the 7", "--negatives")


def test_images_that_may_have_faces_add_no_negatives(train, dataset):
    """One image cannot be read, the only box of another is outside it: neither is known to have no face."""
    dataset.write_text(dataset.read_text() + "# 6.jpg\n10 10 30 30\n# 7.jpg\n-90 -90 20 20\n")
    (dataset.parent / "images" / "6.jpg").write_bytes(b"no image")
    draw_image(dataset.parent / "images" / "7.jpg", [], seed=50)
    losses = []
    for count in (0, 200):
        outcome = train("--epochs", 1, "--batch_size", 8, "--skip_unreadable", "--faceless_negatives", count)
        assert outcome.status == 0, outcome.err
        mean = next(line for line in outcome.out.splitlines() if " mean " in line).split()
        losses.append(mean[mean.index("class") + 1])
    assert losses[0] == losses[1]


def test_training_lowers_the_loss(train):
    outcome = train("--epochs", 12, "--lr", 0.01)
    losses = [float(line.split(" class ")[1].split()[0]) for line in outcome.out.splitlines() if " mean " in line]
    assert len(losses) == 12
    assert losses[-1] < 0.8 * losses[0]


def test_resume_epoch_sets_the_first_epoch_and_skips_earlier_decays(train, tmp_path):
    assert train("--epochs", 2).status == 0
    start = tmp_path / "weights" / "mobilenet0.25_epoch_2.pth"
    outcome = train("--resume_net", start, "--resume_epoch", 2, "--lr", 1e-4, "--epochs", 5, "--decay_epochs", 1, 2, 4)
    means = [line.split() for line in outcome.out.splitlines() if " mean " in line]
    assert [(words[1], words[words.index("lr") + 1]) for words in means] == [
        ("3/5", "0.0001"),
        ("4/5", "0.0001"),
        ("5/5", "1e-05"),
    ]
    assert (tmp_path / "weights" / "mobilenet0.25_epoch_5.pth").exists()


def test_resume_net_starts_from_its_weights(train, tmp_path, random_weights):
    outcome = train("--resume_net", random_weights["mobile0.25"], "--epochs", 1, "--lr", 0)
    assert outcome.status == 0
    final, start = weights(tmp_path / "weights" / "mobilenet0.25_Final.pth"), weights(random_weights["mobile0.25"])
    assert torch.equal(final["BboxHead.0.conv1x1.weight"], start["BboxHead.0.conv1x1.weight"])


def test_the_network_is_that_of_the_checkpoint_or_of_the_weights_or_the_default(random_weights):
    start = str(random_weights["resnet50"])
    assert choose_network(TrainConfig(), None).flag == DEFAULT_NETWORK
    assert choose_network(TrainConfig(network="resnet18"), None).flag == "resnet18"
    assert choose_network(TrainConfig(resume_net=start), None).flag == "resnet50"
    assert choose_network(TrainConfig(), SimpleNamespace(name="mobilenet0.5")).flag == "mobile0.5"


def test_weights_depend_on_the_seed_and_not_on_the_workers(train, tmp_path):
    final = tmp_path / "weights" / "mobilenet0.25_Final.pth"
    results = []
    for seed, workers in ((1, 0), (1, 2), (2, 0)):
        torch.manual_seed(len(results))  # earlier random numbers must not matter
        np.random.seed(len(results))
        assert train("--epochs", 2, "--seed", seed, "--num_workers", workers).status == 0
        results.append(weights(final))
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def test_tensorboard_has_a_point_for_every_short_epoch(train, tmp_path):
    assert train("--epochs", 3, "--batch_size", 6, "--schedule", "cosine").status == 0
    folder = tmp_path / "weights" / "mobilenet0.25_tensorboard"
    assert [step for step, _ in scalars(folder, "loss/total")] == [1, 2, 3]
    assert [value for _, value in scalars(folder, "lr")] == pytest.approx([1e-3, 7.5e-4, 2.5e-4])
    train("--epochs", 1)  # a new run hides the events of an older one
    assert [step for step, _ in scalars(folder, "loss/total")] == [2]
    assert len(events(folder).Images("training samples")) == 1


@pytest.mark.parametrize("columns", [80, 0])
def test_a_terminal_shows_a_bar_with_the_remaining_time(dataset, tmp_path, columns):
    """A terminal of 0 columns does not report its size."""
    flags = ("--training_dataset", dataset, "--save_folder", tmp_path, *FAST, "--batch_size", 1, "--epochs", 2)
    shown = shown_in_terminal(columns, "train.py", *flags)
    bars = [part for part in re.split("[\r\n]", shown) if "ends in" in part]
    assert any(
        re.search(r"epoch 1/2 .*/6 .*(step/s|s/step), ends in 0:0\d:\d\d, box \d+\.\d{3} class \d", bar) for bar in bars
    ), shown
    assert max(map(len, bars)) <= 80
    assert "epoch 1/2 step" not in shown


def test_a_log_has_a_line_every_n_steps_and_no_bar(train):
    outcome = train("--epochs", 1, "--batch_size", 1, "--log_every", 2)
    assert [line.split(" box ")[0] for line in outcome.out.splitlines() if " step " in line] == [
        f"epoch 1/1 step {i}/6" for i in (2, 4, 6)
    ]
    assert outcome.err == ""


def test_resnet50_trains(train, tmp_path):
    outcome = train("--network", "resnet50", "--epochs", 1)
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "weights" / "Resnet50_Final.pth").exists()


def test_backbone_weights_are_used(script, dataset, tmp_path, shared):
    backbone = shared / "weights" / "mobilenetV1X0.25_pretrain.tar"
    flags = [flag for flag in FAST if flag != "--no_pretrain"]
    outcome = script(
        "train.py", "--training_dataset", dataset, "--save_folder", tmp_path, *flags,
        "--backbone_weights", backbone, "--lr", 0, "--epochs", 1,
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    published = torch.load(backbone, weights_only=True, map_location="cpu")["state_dict"]
    trained = weights(tmp_path / "mobilenet0.25_Final.pth")
    assert torch.equal(trained["body.stage3.1.3.weight"], published["module.stage3.1.3.weight"])


def test_clipped_and_dropped_boxes_are_counted_in_one_line(train, dataset):
    text = dataset.read_text().replace("# 0.jpg\n", "# 0.jpg\n-5 10 30 30\n5 5 0 9\n200 5 9 9\n")
    dataset.write_text(text)
    outcome = train("--epochs", 2)
    assert outcome.status == 0
    (line,) = outcome.err.strip().splitlines()
    assert line.startswith("labels: 1 face reaching outside the image clipped, 2 faces without width")


@pytest.mark.parametrize(("mosaic", "images"), [(0, 3), (1, 12)])  # batches of three samples
def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoints(train, tmp_path, mosaic, images):
    folder = tmp_path / "weights"
    outcome = train("--epochs", 30, "--lr", 1e4, "--save_every", 1, "--mosaic", mosaic)
    outcome.refuses("not finite", "epoch ", "step ", "faces/images/", "lower --lr")
    assert len(outcome.err.split("images of this batch: ")[1].split(", ")) == images
    stopped_in = int(outcome.err.split("in epoch ")[1].split(",")[0])
    expected = {f"mobilenet0.25_epoch_{n}.pth" for n in range(1, stopped_in)}
    assert {path.name for path in folder.glob("*.pth")} == expected
    for path in folder.glob("*.pth"):
        assert all(value.isfinite().all() for value in weights(path).values())


def test_weights_that_are_not_finite_are_never_written(train, tmp_path):
    outcome = train("--epochs", 1, "--batch_size", 6, "--lr", 1e38)
    outcome.refuses("the weights are not finite", "epoch ", "lower --lr")
    assert not list((tmp_path / "weights").glob("*.pth")) + list((tmp_path / "weights").glob("*.ckpt"))


def test_bad_datasets_are_refused(train, dataset, tmp_path):
    train("--training_dataset", tmp_path / "none.txt").refuses(tmp_path / "none.txt", "python -m tools.sample")
    for row in ("1 2 3", "1 2 three 4", "1 2 -3 4"):
        dataset.write_text(f"# 0.jpg\n{row}\n")
        train().refuses(f"{dataset}:2: found '{row}'")
    train("--training_dataset", dataset.parent / "images").refuses(f"{dataset.parent / 'images'}: has no label file")
    dataset.write_text("")
    train().refuses(dataset, "empty")
    dataset.write_text("# ../../x.jpg\n1 2 3 4\n")
    train().refuses("../../x.jpg", "inside")
    dataset.write_text("# absent.jpg\n1 2 3 4\n")
    train().refuses("absent.jpg: no such image")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_image_is_named(train, dataset, workers):
    image = dataset.parent / "images" / "3.jpg"
    image.write_bytes(image.read_bytes()[:300])
    train("--epochs", 1, "--num_workers", workers).refuses(f"error: {image}: the image ends early")


def test_a_file_that_is_not_an_image_is_named(train, dataset):
    (dataset.parent / "images" / "3.jpg").write_text("hello")
    train("--epochs", 1).refuses("3.jpg: is not an image")


def test_bad_weights_are_refused(train, tmp_path, random_weights):
    train("--resume_net", tmp_path / "none.pth").refuses("none.pth: no such weights file")
    train("--network", "mobile0.25", "--resume_net", random_weights["resnet50"]).refuses(
        "resnet50.pth: state dict does not match mobile0.25"
    )
    flags = [flag for flag in FAST if flag != "--no_pretrain"]
    train("--backbone_weights", random_weights["resnet50"], flags=flags).refuses(
        "resnet50.pth: state dict does not match the backbone"
    )


@pytest.mark.parametrize("name", ["Final", "epoch_1", "best", "phase1_epoch_2"])
def test_the_weights_that_a_run_starts_from_are_not_overwritten(train, tmp_path, random_weights, dataset, name):
    start = tmp_path / "weights" / f"mobilenet0.25_{name}.pth"
    start.parent.mkdir()
    content = random_weights["mobile0.25"].read_bytes()
    start.write_bytes(content)
    flags = ("--resume_net", start, "--epochs", 2, "--val_dataset", dataset)
    train(*flags).refuses(f"--resume_net {start}: this run may overwrite it", "--save_folder")
    assert start.read_bytes() == content
    assert train(*flags, "--save_folder", tmp_path / "other").status == 0


def test_a_resumed_run_does_not_overwrite_its_start_either(train, tmp_path, random_weights, dataset):
    start = tmp_path / "weights" / "mobilenet0.25_best.pth"
    start.parent.mkdir()
    start.write_bytes(random_weights["mobile0.25"].read_bytes())
    assert train("--resume_net", start, "--epochs", 1).status == 0
    train("--resume", "--epochs", 2, "--val_dataset", dataset).refuses("best.pth: this run may overwrite it")


def test_warns_if_boxes_were_learned_with_another_shift(train, tmp_path, random_weights):
    model, _ = load_network(random_weights["mobile0.25"])
    model.box_shift = 0.5
    save_network(model, tmp_path / "shifted.pth")
    outcome = train("--resume_net", tmp_path / "shifted.pth", "--epochs", 1)
    assert "shifted.pth: was trained with --box_shift 0.5, and this run has --box_shift 0" in outcome.err
    outcome = train("--resume_net", tmp_path / "shifted.pth", "--epochs", 1, "--box_shift", 0.5)
    assert "box_shift" not in outcome.err


def test_bad_flags_are_refused(train, tmp_path, monkeypatch, random_weights):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    train("--device", "cuda").refuses("device 'cuda'", "no CUDA device")
    train("--device", "gpu").refuses("device 'gpu'")
    train("--device", "mps").refuses("device 'mps'", "expected cpu")
    train("--resume_epoch", 9).refuses("--resume_epoch 9", "--resume_net")
    train("--resume_net", random_weights["mobile0.25"], "--resume_epoch", 9, "--epochs", 9).refuses("nothing is left")
    (tmp_path / "file").write_text("")
    train("--save_folder", tmp_path / "file" / "weights").refuses("file/weights: the output folder cannot be written")
    for flag, value, expected in (
        ("--batch_size", 0, "1 or more"),
        ("--epochs", 0, "1 or more"),
        ("--save_every", 0, "1 or more"),
        ("--image_size", 32, "64 or more"),
        ("--lr", "-1", "0 or more"),
        ("--momentum", "nan", "0 or more"),
        ("--seed", "9" * 20, "0 or more"),
    ):
        outcome = train(flag, value)
        assert outcome.status == 2
        assert f"argument {flag}: found {value}; expected {expected}" in outcome.err
    assert "not allowed with" in train("--backbone_weights", "x.pth").err


def test_help_shows_every_option_with_its_default(script):
    outcome = script("train.py", "--help")
    assert outcome.status == 0
    lines = re.sub(r"\n {20,}", " ", outcome.out).splitlines()  # one line for each option
    for option in fields(TrainConfig):
        (line,) = [line for line in lines if line.startswith(f"  --{option.name} ")]
        if option.default is not False and option.name not in ("negatives", "resume_net"):
            assert f"(default: {str(option.default or '').lower()}" in line.lower()
    for flag, network in NETWORKS.items():
        (line,) = [line for line in lines if line.split()[:1] == [flag]]
        assert "{image_size} px, batch {batch_size}, {epoch} epochs".format(**network.cfg) in line


def test_images_with_landmarks_and_without_train_together(script, tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [(30, 20, 40, 50)])
    draw_image(tmp_path / "images" / "b.jpg", [(10, 20, 40, 50)])
    draw_image(tmp_path / "images" / "c.jpg", [])
    points = "40 40 0 60 40 0 50 50 0 42 60 0 58 60 0 0.9"
    (tmp_path / "label.txt").write_text(f"# a.jpg\n30 20 40 50 {points}\n# b.jpg\n10 20 40 50\n# c.jpg\n")
    outcome = script("train.py", "--training_dataset", tmp_path / "label.txt", "--save_folder", tmp_path,
                     *FAST, "--epochs", 1)  # fmt: skip
    assert outcome.status == 0, outcome.err
    assert float(outcome.out.split(" landmark ")[1].split()[0]) > 0
