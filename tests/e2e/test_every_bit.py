"""A flipped bit in any byte of a bundle makes it be refused: every byte of the smallest one."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from strop.bundle import parse_bundle
from strop.errors import BundleError
from tests.conftest import Exported


def accepted(path: Path, first: int, step: int) -> list[int]:
    """Flip one bit in every `step`-th byte, another bit from byte to byte; what was let through."""
    content = bytearray(path.read_bytes())
    through = []
    for position in range(first, len(content), step):
        mask = 1 << (position * 5 + position // 8) % 8
        content[position] ^= mask
        try:
            parse_bundle(content)
            through.append(position)
        except BundleError:
            pass
        content[position] ^= mask
    return through


@pytest.fixture
def smallest(edge: Exported) -> Path:
    return min(edge.dist.glob("*.strop"), key=lambda path: path.stat().st_size)


def test_the_bundle_itself_is_accepted(smallest: Path) -> None:
    parse_bundle(smallest.read_bytes())


def test_one_flipped_bit_in_any_byte_is_refused(smallest: Path) -> None:
    workers = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        jobs = [(smallest, first, workers) for first in range(workers)]
        assert pool.starmap(accepted, jobs) == [[]] * workers
