"""Distorted copies of the training images with a teacher's logits, each a folder of plain bytes.

    copy-00003/    images   uint8 (N, 28, 28)
                   logits   float32 (N, 10)
                   seconds  the time spent on the training so far

They are plain so that :mod:`train.feed` can read them inside TensorFlow.
"""

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.mnist import Bytes
from train.storage import renamed_when_complete


class Copies:
    """The copies in one folder, numbered from 0."""

    def __init__(self, folder: Path) -> None:
        """Set the folder; nothing is written yet."""
        self.folder = folder

    def complete(self) -> list[Path]:
        """List the complete copies."""
        return [path for path in self.folder.glob("copy-*") if path.suffix != ".partial"]

    def missing(self, count: int) -> list[int]:
        """List the numbers of the incomplete copies among the first ``count``."""
        complete = {path.name for path in self.complete()}
        return [number for number in range(count) if _name(number) not in complete]

    def save(self, number: int, images: Bytes, logits: NDArray[np.float32], seconds: float) -> None:
        """Write one copy; it has its name only once it is complete.

        Args:
            number: its number.
            images: uint8 (N, 28, 28).
            logits: float32 (N, 10).
            seconds: the time spent on the training so far.

        Raises:
            OutputError: if it cannot be written.
        """
        with renamed_when_complete(self.folder / _name(number)) as partial:
            (partial / "images").write_bytes(images.tobytes())
            (partial / "logits").write_bytes(logits.tobytes())
            (partial / "seconds").write_text(repr(seconds), encoding="ascii")

    def seconds(self) -> float:
        """Read the time that was spent when the last copy was written; 0 if there is none."""
        times = [(path / "seconds").read_text(encoding="ascii") for path in self.complete()]
        return max(map(float, times), default=0.0)

    def remove(self) -> None:
        """Remove all copies."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _name(number: int) -> str:
    return f"copy-{number:05}"
