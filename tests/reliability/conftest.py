"""What the tests here share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = "/dev/shm"


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory, where there is such: for what is about the order of writes alone."""
    here = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=here, prefix="strop-") as folder:
        yield Path(folder)
