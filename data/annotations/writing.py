"""Writing ground truth in any format."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from data.annotations.capabilities import FORMS, fit_annotations
from data.annotations.coco import write_coco
from data.annotations.label_text_writing import write_counted, write_label, write_list
from data.annotations.record import Annotation
from data.annotations.voc import write_voc
from data.annotations.wider_mat import write_wider_mat
from data.annotations.yolo import write_yolo
from utils.files import atomic_path, new_folder, refuse_existing

_WRITERS = {
    "label": write_label,
    "wider": partial(write_counted, kind="wider"),
    "laboro": partial(write_counted, kind="laboro"),
    "wider_mat": write_wider_mat,
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
    "list": write_list,
}


def write_annotations(
    annotations: Sequence[Annotation], path: str | Path, kind: str, *, images: str | Path | None = None
) -> list[str]:
    """Write a set of annotations to a new file, or to a new folder for "wider_mat", "voc" and "yolo".

    What is read again equals what was written in all that the format holds, but for x2 and y2 where the format has a
    width and a height: there the last digit may be rounded.

    Args:
        kind: the format, one of KINDS.
        images: folder of the images. Sizes that are not known are read from their headers for "yolo", which needs
            them, and for "coco" and "voc" where the images are there.

    Returns:
        A sentence for each thing that the format cannot hold; see `fit_annotations`.

    Raises:
        UserError: something is at the path already, the path cannot be written, or as `fit_annotations`. Nothing is
            written then.
    """
    with written_at_the_end(annotations, path, kind, images=images) as sentences:
        return sentences


@contextmanager
def written_at_the_end(
    annotations: Sequence[Annotation], path: str | Path, kind: str, *, images: str | Path | None = None
) -> Iterator[list[str]]:
    """Write as `write_annotations` does, to a temporary place, which becomes `path` when the block succeeds.

    Where several sets are written so in one block, there are all of them in the end or none.
    """
    path = Path(path)
    refuse_existing(path)
    fitted, sentences = fit_annotations(annotations, kind, images=images)
    with (new_folder if FORMS[kind].in_folder else atomic_path)(path) as place:
        _WRITERS[kind](place, fitted)
        yield sentences
