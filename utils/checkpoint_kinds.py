"""What a file is that was given as weights and is no PyTorch checkpoint, by its content or suffix, and what to do."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from utils.wording import printable

OTHER_TOOL = "name the PyTorch weights (.pth) that it was made from"
BY_CONTENT = (  # the first that matches the first bytes
    (rb".{8}\{\s*\"", "a safetensors file; convert it: torch.save(safetensors.torch.load_file(FILE), 'weights.pth')"),
    (rb"\x89HDF", f"an HDF5 file, of Keras for example; {OTHER_TOOL}"),
    (rb".{4}TFL3", f"a TensorFlow Lite network; {OTHER_TOOL}"),
    (rb"ftrt|ptrt", f"a TensorRT engine; {OTHER_TOOL}"),
    (rb"\x08[\x01-\x20]\x12", f"an ONNX network; {OTHER_TOOL}"),
    (rb"(?i)\s*<(?:!doctype html|html|head|body)", "a web page; download the weights again"),
    (rb"version https://git-lfs", "a pointer of Git LFS; run git lfs pull"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|Rar!|7z\xbc\xaf|.{257}ustar", "an archive; unpack it"),
)
BY_MEMBER = (  # the first that matches the name of a member of a zip file
    (r"(?:.*/)?data\.pkl", None),  # a checkpoint, unless it has code
    (r"(?:.*/)?(?:serialized_exported_program\.json|models/.*\.json|archive_format)", "a network of torch.export"),
    (r".*\.npy", "an archive of NumPy arrays"),
    (r"(?:.*/)?model\.weights\.h5", "a Keras network"),
)
BY_SUFFIX = {
    ".onnx": "an ONNX network",
    ".pb": "a TensorFlow network",
    ".index": "a TensorFlow checkpoint",
    ".tflite": "a TensorFlow Lite network",
    ".caffemodel": "a Caffe network",
    ".pdparams": "a PaddlePaddle network",
    ".mlmodel": "a Core ML network",
    ".param": "an ncnn network",
    ".engine": "a TensorRT engine",
    ".plan": "a TensorRT engine",
}


def foreign_kind(path: str | Path) -> str | None:
    """Return what a file is that PyTorch does not read as a checkpoint, and what to do with it; None if unknown."""
    if members := zip_members(path):
        return _kind_of_zip([member.filename for member in members])
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
    except OSError:
        return None
    found = next((text for pattern, text in BY_CONTENT if re.match(pattern, head, re.DOTALL)), None)
    if found is None and (kind := BY_SUFFIX.get(Path(path).suffix.lower())):
        found = f"{kind}; {OTHER_TOOL}"
    return found


def zip_members(path: str | Path) -> list[zipfile.ZipInfo]:
    """Return the members of a zip file, none of another file or of a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):  # NotImplementedError: of a newer zip
        return []


def _kind_of_zip(names: Sequence[str]) -> str | None:
    if any(re.match(r"[^/]+/code/", name) for name in names):
        return f"a TorchScript program; {OTHER_TOOL}"
    for pattern, kind in BY_MEMBER:
        if any(re.fullmatch(pattern, name) for name in names):
            return kind and f"{kind}; {OTHER_TOOL}"
    return f"an archive ({printable(', '.join(names))}); unpack it"
