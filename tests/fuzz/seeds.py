"""Small valid inputs of every reader, made here; a seed is the files of a folder by name."""

import io
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from PIL import Image

from data.annotations import FORMATS, WRITABLE, Annotation, write_annotations
from engine.detect.prediction_writer import SETTINGS_FILE
from engine.detect.video_writer import VideoWriter
from engine.train.checkpoints import Checkpoint
from engine.train.config import TrainConfig, to_saved
from engine.train.optim import build_optimizer
from engine.train.state import RunState
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from tests.fuzz.hand_made import HAND_MADE
from tests.helpers.exports import EXPORTS

Seed = dict[str, bytes]
NAMES = ("news/one.png", "two.png", "three.png")
SIZE = (48, 64)  # height, width
NETWORK = "mobile0.25"


def made_by(write: Callable[[Path], object]) -> Seed:
    """Return the files that a function writes into a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return files_in(Path(folder))


def files_in(folder: Path) -> Seed:
    """Return the content of all files below a folder by their paths."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def annotations(images: Iterable[str] = NAMES) -> list[Annotation]:
    """Return images with 0, 1 and 2 faces in turn, some with landmarks, some ignored."""
    records = []
    for number, name in enumerate(images):
        count = number % 3
        boxes = np.array([[4.0, 5.5, 20.0, 30.0], [30.0, 6.0, 60.0, 40.0]])[:count]
        landmarks = np.full((count, 5, 2), -1.0)
        landmarks[:1] = np.linspace((6, 8), (18, 28), 5)
        attributes = {"invalid": np.arange(count) % 2.0, "blur": np.ones(count)}
        records.append(Annotation(name, boxes, landmarks, attributes, size=SIZE))
    return records


@cache
def image_bytes(suffix: str = ".png", size: tuple[int, int] = SIZE, *options: int) -> bytes:
    scene = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    return cv2.imencode(suffix, cv2.resize(scene, size[::-1]), list(options))[1].tobytes()


IMAGES = {f"images/{name}": image_bytes() for name in NAMES}


def annotation_seeds(name: str) -> list[Seed]:
    """Return the seeds of an annotation format: what its writer writes, or what is made by hand."""
    made = [*HAND_MADE.get(name, []), *(files for kind, files in EXPORTS.values() if kind == name)]
    seeds = [{key: _as_bytes(content) for key, content in seed.items()} for seed in made]
    if name in WRITABLE:
        path = FORMATS[name].name_in_dataset or f"annotation{FORMATS[name].suffix}"
        # Without attributes, which not every format can hold.
        plain = [Annotation(each.name, each.boxes, each.landmarks, size=SIZE) for each in annotations()]
        for records in (annotations(), plain):
            seeds.append(made_by(lambda folder, records=records: write_annotations(records, folder / path, name)))
    if not seeds:  # a format that is only read and has no seed yet: something else of its suffix
        others = [seed for other in FORMATS if other in WRITABLE for seed in annotation_seeds(other)]
        seeds = [seed for seed in others if any(key.endswith(FORMATS[name].suffix) for key in seed)] or others
    if FORMATS[name].capabilities.needs_sizes or FORMATS[name].file_per_image:
        seeds += [seed | IMAGES for seed in seeds]
    return seeds


def _as_bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def prediction_texts() -> list[Seed]:
    rows = {"news/one": "", "two": "4 5 16 24 0.9\n", "three": "30 6 30 34 0.5\n1 2 3 4.5 1e-3\n"}
    return [{f"{key}.txt": f"{key}\n{text.count(chr(10))}\n{text}".encode() for key, text in rows.items()}]


def prediction_results() -> list[Seed]:
    record = {"image_id": 2, "category_id": 1, "bbox": [4, 5, 16, 24], "score": 0.9}
    return [
        {"results.json": json.dumps([record, {**record, "image_id": 3, "score": 1}]).encode()},
        {"results.json": json.dumps([{**record, "image_id": name} for name in NAMES]).encode()},
    ]


def image_lists() -> list[Seed]:
    lists = [f"{NAMES[0]}\n{NAMES[1]}\n", "/news/one\r\n\r\ntwo.png\n", "".join(f"{i:08}.png\n" for i in range(9))]
    return [{"list.txt": text.encode(), **IMAGES} for text in lists]


def image_files() -> list[Seed]:
    seeds = [image_bytes(suffix) for suffix in (".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm", ".jp2")]
    seeds.append(image_bytes(".jpg", SIZE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    picture = Image.fromarray(np.zeros((*SIZE, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    options = [
        ({"format": "GIF", "save_all": True, "append_images": [picture.rotate(9)]}),
        *({"format": name, "exif": exif} for name in ("JPEG", "PNG", "WEBP")),
        {"format": "TIFF", "compression": "tiff_lzw"},
    ]
    for each in options:
        buffer = io.BytesIO()
        picture.save(buffer, **each)
        seeds.append(buffer.getvalue())
    return [{"image": content} for content in seeds]


def videos() -> list[Seed]:
    """Return short films in the containers and codecs that this FFmpeg can write."""
    frames = [cv2.imdecode(np.frombuffer(image_bytes(), np.uint8), 1) for _ in range(4)]

    def write(path: Path) -> None:
        writer = VideoWriter(path, Fraction(25))
        for number, frame in enumerate(frames):
            writer.write(np.roll(frame, number, axis=1), number / 25)
        writer.close()

    def encode(path: Path, codec: str) -> None:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "bgr24")))
            container.mux(stream.encode(None))

    kinds = ((".ts", "mpeg2video"), (".mkv", "libx264"), (".avi", "mpeg4"), (".mpg", "mpeg2video"), (".mov", "libx264"))
    return [
        made_by(lambda folder: write(folder / "film.mp4")),
        *(made_by(lambda folder, s=s, codec=codec: encode(folder / f"film{s}", codec)) for s, codec in kinds),
    ]


def torch_bytes(content: object, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


@cache
def network() -> RetinaFace:
    torch.manual_seed(0)
    return RetinaFace(NETWORKS[NETWORK].cfg)


def weights() -> list[Seed]:
    state = network().state_dict()
    small = {key: value for key, value in state.items() if value.numel() < 64}
    return [
        {"weights.pth": torch_bytes(state)},
        {"weights.pth": torch_bytes({"state_dict": {f"module.{key}": value for key, value in small.items()}})},
        {"weights.pth": torch_bytes(small, _use_new_zipfile_serialization=False)},
    ]


def checkpoints() -> list[Seed]:
    """Return the checkpoint of a run after its first epoch."""
    options = TrainConfig(network=NETWORK, batch_size=2, epochs=2, decay_epochs=[1], image_size=64, num_workers=0)
    content = Checkpoint(
        name=NETWORKS[NETWORK].cfg["name"],
        config=to_saved(options),
        dataset="",
        ranks=1,
        computer="",
        state=asdict(RunState(epoch=1, history=[{"epoch": 1, "phase": 1, "lr": 1e-3}])),
        model=network().state_dict(),
        optimizer=build_optimizer(network(), "sgd", 1e-3, 0.9, 5e-4).state_dict(),
        scaler={},
        ema=None,
    )
    labels = "".join(f"# {name}\n4 5 16 24\n" for name in NAMES)
    return [{"mobilenet0.25_last.ckpt": torch_bytes(vars(content)), "label.txt": labels.encode(), **IMAGES}]


def command_lines() -> list[Seed]:
    """Return options of train.py, one word a line."""
    lines = [
        "--network resnet50 --epochs 10 --decay_epochs 5 8 --lr 1e-3 --batch_size 8 --seed 3",
        "--schedule cosine --warmup_epochs 0.5 --optimizer adamw --weight_decay 0.05 --ema 0.99 --clip_norm 1",
        "--finetune_epochs 2 --finetune_lr 1e-5 --finetune_from best --val_dataset dev.txt --patience 3 --val_every 1",
        "--resume_net a.pth --resume_epoch 3 --no_pretrain false --compile --amp bf16 --rank_timeout 0.5",
    ]
    return [{"options.txt": line.replace(" ", "\n").encode()} for line in lines]


def detection_records() -> list[Seed]:
    return [{SETTINGS_FILE: json.dumps({"--dataset_folder": "images", "version": "1"}).encode()}]
