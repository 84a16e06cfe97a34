"""Pictures of the test set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import Exported


def write_digit(exported: Exported, digit: int, path: Path) -> None:
    """Write the first test image of a class."""
    evaluation = exported.evaluation()
    first = evaluation["inputs"][np.argmax(evaluation["labels"] == digit)]
    Image.fromarray(first).save(path)
