"""Fixtures of the tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import environments


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory, if possible, for tests of only the order of writes."""
    with environments.in_memory() as folder:
        yield folder
