"""Small inputs that ask for much, and large ones: nesting, huge numbers, entities, compressed zeros, headers."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import torch

from data.annotations import FORMATS, WRITABLE, write_annotations
from tests.fuzz.seeds import IMAGES, Seed, annotations, made_by, torch_bytes, weights

MANY = 1_000_000_000_000
LONG = 2 << 20  # bytes of a large file


def _texts(name: str) -> Callable[[], list[Seed]]:
    """Return a maker of texts that no format has."""

    def make() -> list[Seed]:
        texts = [
            b"",
            b"\0" * LONG,
            b"\n" * LONG,
            b"a\n" * (LONG // 2),
            b"1 2\n" * (LONG // 4),
            b"# a\n" * (LONG // 4),
            b"x" * LONG,
            b"1 " * (LONG // 2),
            b"9" * LONG,
            b"# one.jpg\n1 2 3 " + b"9" * 100_000,
            b"one.jpg\n%d\n1 2 3 4\n" % MANY,
            b"one.jpg\n999999999\n1 2 3 4\n",
            "one.jpg\n\U0001f600\n".encode() * (LONG // 12),
            "\U0001f600.jpg\n".encode() + b"a.jpg\n" * (LONG // 6),
            b"# ../../etc/passwd\n1 2 3 4\n",
            b"# a\0b.jpg\n1 2 3 4\n",
            b"\xff\xfe" + "# a.jpg\n1 2 3 4\n".encode("utf-16-le"),
        ]
        return [{name: text} for text in texts]

    return make


def _jsons(name: str) -> Callable[[], list[Seed]]:
    def make() -> list[Seed]:
        empty = b'{"images": [%s], "annotations": [], "categories": []}'
        texts = [
            b"[" * 1_000_000,
            b'{"a":' * 1_000_000,
            b'{"images":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"images": ' + b"9" * 5000 + b"}",
            b'{"images": 1e999, "annotations": NaN}',
            b"[" + b"{}," * (LONG // 3) + b"{}]",
            b"[" + b"[]," * (LONG // 3) + b"[]]",
            empty % (b"{}," * (LONG // 3) + b"{}"),
            b"[" + b'"ab",' * (LONG // 5) + b"1]",
            b"[" + b"1e5," * (LONG // 4) + b"1]",
            b"{" + b",".join(b'"%x":1' % i for i in range(LONG // 9)) + b"}",
            b'"' + b"a" * LONG + b'"',
            b'"' + b"\\ud800" * (LONG // 6) + b'"',
        ]
        return [{name: text} for text in texts]

    return make


def _xmls() -> list[Seed]:
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    texts = [
        f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "lol">{entities}]><annotation>&e11;</annotation>'.encode(),
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation>&e;</annotation>',
        b"<annotation>" + b"<a>" * (LONG // 3),
        b"<annotation>" + b"<a/>" * (LONG // 4) + b"</annotation>",
        b"<annotation>" + b"<object/>" * (LONG // 9) + b"</annotation>",
        b"<annotation " + b" ".join(b'a%d=""' % i for i in range(LONG // 12)) + b"/>",
        b"<annotation><size><width>" + b"9" * 100_000 + b"</width></size></annotation>",
        b'<?xml version="1.0" encoding="utf-7"?><annotation/>',
        b"<annotation><filename>../../etc/passwd</filename></annotation>",
        b"<annotations><image " + b"a" * 100_000,
    ]
    return [{"one.xml": text} for text in texts]


def _yolos() -> list[Seed]:
    bombs = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("k"))
    )
    yamls = [
        bombs + b"names: [*j]\n",
        b"names: " + b"[" * 100_000,
        b"names: {0: " + b"{a: " * 10_000,
        b"names: !!python/object/apply:os.system ['true']\n",
        b"names: {%d: face}\n" % MANY,
        b"nc: %d\nnames: [face]\n" % MANY,
        b"path: /etc\ntrain: ../../..\nval: [/dev/zero]\nnames: [face]\n",
        b"names:\n" + b"".join(b"  %d: a\n" % i for i in range(20_000)),
        b"names: &a [*a]\n",
        b"names: 0x" + b"f" * 100_000 + b"\n",
        b"names: 1" + b":59" * 100_000 + b"\n",
        b"? " * 100_000,
    ]
    label = {"labels/news/one.txt": b"0 0.5 0.5 0.25 0.5\n"}
    seeds = [{f"data{suffix}": text, **label, **IMAGES} for text in yamls for suffix in (".yaml",)]
    seeds += [{"classes.txt": b"face\n" * (LONG // 5), **label, **IMAGES}]
    seeds += [{"labels/news/one.txt": b"%d 0.5 0.5 0.25 0.5\n" % MANY, **IMAGES}]
    seeds += [{"labels/news/one.txt": b"0 .5 .5 1 1\n" * (LONG // 12), **IMAGES}]
    seeds += [{"labels/news/one.txt": b"0 " + b".5 " * (LONG // 3), **IMAGES}]
    return seeds


def _mats() -> list[Seed]:
    """Return MATLAB files that announce or unpack to far more than they hold."""
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")

    def matrix(rows: int, data: bytes, announced: int | None = None) -> bytes:
        body = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, rows, 1)
        body += struct.pack("<II", 1, 16) + b"face_bbx_list".ljust(16, b"\0")
        body += struct.pack("<II", 9, len(data) if announced is None else announced) + data
        return struct.pack("<II", 14, len(body)) + body

    def packed(content: bytes) -> bytes:
        small = zlib.compress(content, 9)
        return struct.pack("<II", 15, len(small)) + small

    zeros = bytes(256 << 20)
    texts = [
        header + packed(matrix(len(zeros) // 8, zeros)),
        header + matrix(1 << 30, b""),
        header + matrix(1 << 30, b"", 0xFFFFFFF0),
        header + packed(matrix(1 << 30, b"\0" * 64, 0xFFFFFFF0)),
        header + struct.pack("<II", 15, 0xFFFFFFF0) + zlib.compress(b"\0" * 64),
        struct.pack("<IIIII", 0, 1 << 30, 1, 0, 14) + b"face_bbx_list\0",
    ]
    rest = {name: content for seed in _written("wider_mat", 3) for name, content in seed.items()}
    return [{**rest, "wider_face_val.mat": text} for text in texts]


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return buffer.getvalue()


def _torch_bombs() -> list[object]:
    one = torch.zeros(1)
    return [
        {"a": one.expand(MANY)},
        {"body.stage1.0.0.weight": one.expand(1 << 20, 1 << 20)},
        {"a": torch.zeros(2, dtype=torch.uint8).as_strided((1 << 40,), (0,))},
        {f"a{i}": torch.zeros(1 << 20).view(1 << 20) for i in range(1)},
        {"a": one.to_sparse()},
        {"a": torch.sparse_coo_tensor(torch.zeros((1, 1), dtype=torch.int64), [1.0], (1 << 40,))},
        {"a": torch.quantize_per_tensor(one, 1.0, 0, torch.qint8)},
        {"a": torch.zeros(1, dtype=torch.complex64)},
        {"a": torch.zeros(4, device="meta")},
        {"a": torch.nn.Parameter(one)},
        {"a" * 100_000: one},
        {"a\0b\ud800"[:3]: one},
        {str(i): one for i in range(50_000)},
        [],
        {},
        None,
        one,
        {"state_dict": {"state_dict": {}}},
        {"model": {1: one}},
    ]


def _weights() -> list[Seed]:
    seeds = [{"weights.pth": torch_bytes(content)} for content in _torch_bombs()]
    with zipfile.ZipFile(io.BytesIO(torch_bytes({"a": torch.zeros(64 << 20)}))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    seeds.append({"weights.pth": _zip(members)})  # 256 MB of zeros, deflated
    state = weights()[0]["weights.pth"]
    seeds += [{"weights.pth": state[: len(state) // 2]}, {"weights.pth": b"\x80\x02]q\x00" + b"]" * 1_000_000 + b"."}]
    seeds += [{"weights.pth": b"\x80\x02\x8e" + struct.pack("<Q", MANY)}, {"weights.pth": b"PK\x05\x06" + b"\xff" * 18}]
    return seeds


def _png(width: int, height: int, data: bytes, depth: int = 8) -> bytes:
    chunks = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return chunks


def _images() -> list[Seed]:
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0)
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + b"\0" * 6
    gif += b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\0\x3b"
    tiff = (
        b"II*\0"
        + struct.pack("<IH", 8, 4)
        + b"".join(
            struct.pack("<HHII", tag, 4, 1, value)
            for tag, value in ((256, 1 << 20), (257, 1 << 20), (273, 8), (279, 8))
        )
    )
    ppm = b"P6\n100000 100000\n255\n"
    jpeg = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda\0\x02\xff\xd9"
    contents = [
        *(_png(side, side, b"") for side in (20_000, 60_000, 0x7FFFFFFF)),
        _png(16_000, 16_000, b"\0" * 48_001 * 16_000),
        _png(30_000, 30_000, b"\0" * 90_001 * 3_000),
        *(bmp, gif, tiff + b"\0" * 4, ppm, jpeg, b"", b"\xff\xd8", b"\x89PNG", b"RIFF\xff\xff\xff\xffWEBP"),
        b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\xff" * 6,
        b"\0\0\0\x20ftypavif" + b"\0" * 40,
    ]
    return [{"image": content} for content in contents]


def _written(name: str, images: int) -> list[Seed]:
    """Return a large valid annotation as the program itself writes it."""
    if name not in WRITABLE:
        return []
    path = FORMATS[name].name_in_dataset or f"annotation{FORMATS[name].suffix}"
    records = annotations(f"{i % 100}/{i:06}.jpg" for i in range(images))
    return [made_by(lambda folder: write_annotations(records, folder / path, name))]


def _results() -> list[Seed]:
    record = {"image_id": 2, "category_id": 1, "bbox": [4.125, 5.25, 16.5, 24.75], "score": 0.987654}
    return [{"results.json": json.dumps([record] * 50_000).encode()}, *_jsons("results.json")()]


def _predictions() -> list[Seed]:
    texts = [seed["two.txt"] for seed in _texts("two.txt")()]
    texts += [b"two\n%d\n" % (LONG // 10) + b"1 2 3 4 .5\n" * (LONG // 10), b"two\n1\n1 2 3 4 0.5" + b" 1" * LONG]
    return [{"news/one.txt": b"one\n0\n", "two.txt": text, "three.txt": b"three\n0\n"} for text in texts]


def _annotations(name: str) -> Callable[[], list[Seed]]:
    file = "annotation" + FORMATS[name].suffix
    special = {"voc": _xmls, "cvat": _xmls, "yolo": _yolos, "wider_mat": _mats}
    kinds = {".json": _jsons}
    make = special.get(name) or kinds.get(FORMATS[name].suffix, _texts)(file)
    count = 500 if FORMATS[name].file_per_image else 30_000
    return lambda: [*_written(name, count), *make()]


BOMBS: dict[str, Callable[[], list[Seed]]] = {
    **{name: _annotations(name) for name in FORMATS},
    "image_list": _texts("list.txt"),
    "prediction_text": _predictions,
    "prediction_coco": _results,
    "detection_record": _jsons(".detection.json"),
    "weights": _weights,
    "image": _images,
}
