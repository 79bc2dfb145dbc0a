"""TensorBoard events of a training: scalars and images."""

import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from data.dataset import SampleInfo
from utils.console import say
from utils.drawing import BOX_COLOR, IGNORED_COLOR, draw_faces, tile
from utils.errors import UserError
from utils.files import make_folder

THUMBNAIL = 320


class TensorBoard:
    """Writer of TensorBoard events; each run has its own file in the folder.

    The writer works in a thread. If that fails later, because the disk is full or the folder is gone, the thread prints
    its traceback and the next call raises its OSError. That call prints a warning and disables the writer: events are
    not worth stopping a training.

    Args:
        folder: folder of the event files, created if missing; None: nothing is written.
        purge_step: TensorBoard hides events of earlier runs after this step; None keeps all. All events of a folder
            count the same steps, therefore.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, folder: Path | None, purge_step: int | None = None):
        self.folder = folder
        self._writer = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter  # here, since the import takes long

        make_folder(folder)
        first_hidden = purge_step + 1 if purge_step else purge_step  # 0: a new run hides all events
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                file.write(bytes(1 << 16))  # a full disk fails here, not in the thread
            self._writer = SummaryWriter(str(folder), purge_step=first_hidden)
        except OSError as error:
            raise UserError(f"{folder}: TensorBoard's events cannot be written ({error.strerror or error})") from error

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def scalars(self, values: dict[str, float | None], step: int) -> None:
        """Write scalars by tag; None values are skipped."""
        with self._writing():
            for tag, value in values.items():
                if self._writer and value is not None:
                    self._writer.add_scalar(tag, value, step)

    def images(self, tag: str, images: Sequence[np.ndarray], step: int) -> None:
        """Write images as one grid.

        Args:
            images: (H, W, 3) uint8 each, BGR, of any sizes.
        """
        if self._writer and images:
            sheet = tile(images, math.ceil(math.sqrt(len(images))), THUMBNAIL)
            with self._writing():
                self._writer.add_image(tag, cv2.cvtColor(sheet, cv2.COLOR_BGR2RGB), step, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the file; later calls do nothing."""
        with self._writing():
            if self._writer:
                self._writer.close()
        self._writer = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Disable the writer if it fails."""
        try:
            yield
        except OSError as error:
            self._writer = None
            say(
                f"warning: {self.folder}: TensorBoard's events cannot be written ({error.strerror or error}),"
                " training continues without them",
                sys.stderr,
            )


def draw_sample(sample: tuple[Tensor, Tensor, SampleInfo]) -> np.ndarray:
    """Draw a sample of FaceDataset with its faces, as (S, S, 3) uint8 BGR; ignored faces have another color."""
    image, target, _ = sample
    colors = [IGNORED_COLOR if label == 0 else BOX_COLOR for label in target[:, 14]]
    return draw_faces(image.permute(1, 2, 0).numpy(), target, colors)
