"""Fixtures of the tests here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = "/dev/shm"


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory, if possible, for tests of only the order of writes."""
    here = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=here, prefix="strop-") as folder:
        yield Path(folder)
