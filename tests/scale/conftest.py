"""The digits and the bundle that all evaluations here are of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Exported, Tell
from tests.scale import digits
from tests.scale.digits import Digits

IMAGES = int(os.environ.get("STROP_SCALE_IMAGES", "30000"))


@pytest.fixture(scope="session")
def made(tell: Tell) -> Digits:
    """STROP_SCALE_IMAGES digits, 30,000 without it."""
    return digits.make(IMAGES, tell)


@pytest.fixture(scope="session")
def bundle(edge: Exported) -> Path:
    """The model's bundle for PCs."""
    return edge.bundle("cpu")
