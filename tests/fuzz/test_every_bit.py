"""Any flipped bit makes any bundle refused."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable

import pytest

from strop.bundle.file import parse_bundle
from strop.errors import BundleError
from tests.conftest import Exported
from tests.figures import Record
from tests.fuzz import seeds

_EVERY = (
    499  # step through a real bundle's bits: prime, so that all positions in bytes and words occur
)


def accepted(data: bytes, bits: Iterable[int]) -> list[int]:
    """Flip each bit alone, and return those that were accepted."""
    content = bytearray(data)
    through = []
    for bit in bits:
        content[bit // 8] ^= 1 << bit % 8
        try:
            parse_bundle(content)
            through.append(bit)
        except BundleError:
            pass
        content[bit // 8] ^= 1 << bit % 8
    return through


@pytest.mark.parametrize("format", seeds.ENGINES)
def test_every_single_bit_of_a_small_bundle(format: str, figure: Record) -> None:
    data = seeds.probe(format).pack()
    parse_bundle(data)
    through = accepted(data, range(8 * len(data)))
    figure(f"bits of a small {format} bundle, refused when flipped", 8 * len(data), len(through))
    assert through == []


@pytest.mark.alone
def test_bits_all_over_real_bundles(edge: Exported, figure: Record) -> None:
    """Each is as large as a hundred small ones, and is hashed once for each bit."""
    whole = [path.read_bytes() for path in sorted(edge.dist.glob("*.strop"))]
    for data in whole:
        parse_bundle(data)
    jobs = [(data, range(0, 8 * len(data), _EVERY)) for data in whole]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        through = pool.starmap(accepted, jobs)
    tried = sum(len(bits) for _, bits in jobs)
    failed = sum(map(len, through))
    figure(f"bits of {len(whole)} exported bundles, refused when flipped", tried, failed)
    assert whole
    assert failed == 0, through
