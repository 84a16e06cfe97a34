"""The exported model, and digits of its test set, for the examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Exported
from tests.environments import ROOT
from tests.pictures import write_digit

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="session")
def bundle(edge: Exported) -> Path:
    """The model's bundle for PCs."""
    return edge.bundle("cpu")


@pytest.fixture(scope="session")
def digits(edge: Exported) -> NDArray[np.uint8]:
    """The first test image of each class, uint8 (10, 28, 28)."""
    evaluation = edge.evaluation()
    first = [np.argmax(evaluation["labels"] == digit) for digit in range(10)]
    images: NDArray[np.uint8] = evaluation["inputs"][first]
    return images


@pytest.fixture(scope="session")
def seven(edge: Exported, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a picture of a seven."""
    path = tmp_path_factory.mktemp("seven") / "7.png"
    write_digit(edge, 7, path)
    return path.read_bytes()
