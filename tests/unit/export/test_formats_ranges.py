"""The ranges of activations, by percentile and by entropy."""

from __future__ import annotations

import numpy as np
import pytest

from strop_export.formats.quiet import quiet
from strop_export.formats.ranges import Histograms


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_a_tensor_with_the_values_of_a_mask_keeps_its_whole_range(method: str) -> None:
    random = np.random.default_rng(0)
    plain = random.normal(size=(50, 40)).astype(np.float32)
    masked = np.where(plain > 0, np.float32(-2.4e38), plain)
    found = Histograms(method)
    with quiet():
        found.collect({"plain": plain[:25], "masked": plain[:25]})
        found.collect({"plain": plain[25:], "masked": masked[25:]})
        ranges = found.ranges()
    assert ranges["masked"] == pytest.approx((-2.4e38, plain[:25].max()))
    low, high = ranges["plain"]
    assert plain.min() <= low < 0 < high <= plain.max() * 1.01
