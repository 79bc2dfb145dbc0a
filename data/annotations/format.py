"""The parts of an annotation format: reader, writer, recognizer and capabilities."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath

from data.annotations.json_values import keys_by_depth
from data.annotations.problems import Problem
from data.annotations.record import Annotation, Annotations
from utils.files import read_bytes, text_encoding

HEAD_BYTES = 1 << 16  # of a file, by which its format is recognized


@dataclass(frozen=True)
class ReadOptions:
    """What a reader is asked for; each uses what applies to its format.

    Attributes:
        images: folder of the images; None: the usual one.
        category: the class of objects that is the face; None: "face", or the only class.
        problems: malformed rows and records are appended here and skipped; None: the first one is an error.
        ids: COCO JSON with the images that the ids of COCO's results refer to; None: the ids are names.
    """

    images: Path | None = None
    category: str | None = None
    problems: list[Problem] | None = None
    ids: Path | None = None


@dataclass(frozen=True)
class Capabilities:
    """What a format can hold of an annotation.

    Attributes:
        boxes, landmarks: whether it has them.
        attributes: name -> default, of the type of the values; None: any attribute of any type.
        all_attributes: whether every face has all of them.
        ignore_attributes: attributes that mark a face as ignored; the last one is written for marks of other formats.
        subsets: the evaluation's subsets that it has.
        sizes: whether it has the sizes of the images; `needs_sizes`: whether it needs them.
        ids: whether it has the ids of the images.
        negative_sizes: whether a box may end before it begins.
        suffixes: whether an image's name has its suffix.
    """

    boxes: bool = True
    landmarks: bool = False
    attributes: Mapping[str, float | str] | None = field(default_factory=dict)
    all_attributes: bool = False
    ignore_attributes: tuple[str, ...] = ()
    subsets: tuple[str, ...] = ()
    sizes: bool = False
    needs_sizes: bool = False
    ids: bool = False
    negative_sizes: bool = False
    suffixes: bool = True


@dataclass(frozen=True)
class FileHead:
    """The beginning of a file whose format is asked for.

    Attributes:
        path: the file.
        text: its first HEAD_BYTES.
        requested: the name of the format that the user asked for, which decides where the content fits several.
    """

    path: Path
    text: str
    requested: str | None = None

    @classmethod
    def read(cls, path: Path, requested: str | None = None) -> "FileHead":
        head = read_bytes(path, HEAD_BYTES)
        return cls(path, head.decode(text_encoding(head), errors="replace"), requested)

    @cached_property
    def lines(self) -> list[str]:
        """The first three lines that are not blank, stripped; empty for a binary file."""
        text = self.text.replace("\r", "\n")
        lines = [stripped for line in text.split("\n") if (stripped := line.strip())][:3]
        return [] if any("\0" in line for line in lines) else lines

    @cached_property
    def keys(self) -> list[set[str]]:
        """The keys of a JSON file by their level; see `keys_by_depth`."""
        return keys_by_depth(self.text)

    @property
    def is_json_list(self) -> bool:
        return self.text.lstrip().startswith("[")

    def all_lines(self) -> Iterator[str]:
        """Yield all lines of the file, also after its head."""
        with open(self.path, encoding=text_encoding(read_bytes(self.path, 2)), errors="replace") as file:
            yield from file


@dataclass(frozen=True)
class Format:
    """An annotation format. To add one, define it in a module of its own and list it in registry.py.

    Attributes:
        name: value of --to, --from and --gt_format.
        description: what messages and help call it.
        read: reads a file, or the folder of a format with a file per image.
        capabilities: what it can hold.
        write: writes annotations that fit the capabilities to a new file, or into an empty folder; None: read-only.
        recognizes: whether a file's content is in the format; the registry asks the formats in their order.
        files: pattern of the files that may be in the format; a suffix other than .txt decides without the content.
        companions: files beside the annotation that are no annotations themselves.
        choose: for a format with several files, which of those in a folder the reader is called with, None where they
            hold something else; raises UserError where they contradict each other.
        file_per_image: whether a folder holds a file for each image.
        is_folder: whether it is written as a folder.
        recognizes_folder: for a format with a file per image, the name of a file that shows that a folder is in the
            format although no file's content does; None where it is not.
        is_prediction: whether it holds the output of a detector, which is no ground truth.
        has_classes: whether the user can choose the class of objects that is the face.
        name_in_dataset: what tools.convert calls the annotation of a split; None: as data.splits.LABELS.
        name_problem: what is wrong with an image's name that the format cannot hold; None: nothing.
        reads_images: whether the reader opens the images itself, and knows how they are stored.
        clip: clips the boxes that the format cannot hold otherwise; None: it can hold all boxes.
    """

    name: str
    description: str
    read: Callable[[Path, ReadOptions], Annotations]
    capabilities: Capabilities
    write: Callable[[Path, Sequence[Annotation]], None] | None = None
    recognizes: Callable[[FileHead], bool] = lambda head: False
    files: str = "*.txt"
    companions: tuple[str, ...] = ()
    choose: Callable[[Sequence[Path]], Path | None] | None = None
    file_per_image: bool = False
    is_folder: bool = False
    recognizes_folder: Callable[[Path], str | None] = lambda folder: None
    is_prediction: bool = False
    has_classes: bool = False
    name_in_dataset: str | None = None
    name_problem: Callable[[str], str | None] = lambda name: None
    reads_images: bool = False
    clip: Callable[[Annotation], Annotation] | None = None

    @property
    def suffix(self) -> str:
        """The suffix of its files."""
        return PurePath(self.files).suffix
