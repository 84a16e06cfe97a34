"""The limits of an integer layer in a plan, within which 32 bits hold every sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from strop_export.formats.plan import Tensor

_MAX_TERMS: Final = 2**16  # of a sum
_WIDEST: Final = 255  # distance of an int8 value from its zero point
_MAX_MULTIPLIER: Final = 1 - 2**-20  # below 1, however the product of the scales is rounded


def fault_of_layer(
    values: Tensor, weights: Tensor, biases: Sequence[Tensor], result: Tensor
) -> str | None:
    """Find out why an int8 `fully_connected` cannot be in a plan; None: it can.

    Args:
        values: its input.
        weights: int8 (out, in).
        biases: none, or one, int32 (out,).
        result: its output.
    """
    integers = np.abs(np.asarray(weights.values, np.int64))
    if integers.max() > 127:
        return "it has a weight of -128"
    largest = integers.sum(axis=1) * _WIDEST
    for bias in biases:
        largest += np.abs(np.asarray(bias.values, np.int64))
    if integers.shape[1] > _MAX_TERMS or largest.max() >= 2**31:
        return "its sums could overflow 32 bits"
    scales = np.asarray(weights.scale if weights.scales is None else weights.scales, np.float64)
    multipliers = values.scale * scales / result.scale
    if not ((multipliers > 0) & (multipliers < _MAX_MULTIPLIER)).all():
        return "its output has finer steps than its sums"
    return None
