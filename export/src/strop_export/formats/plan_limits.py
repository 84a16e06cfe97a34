"""The limits of integer operators in a plan, within which kernels agree and 32 bits hold sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from strop_export.formats.plan import Tensor

_MAX_TERMS: Final = 2**16  # of a sum
_WIDEST: Final = 255  # distance of an int8 value from its zero point
_RATIOS: Final = (2.0**-10, 2.0**6)  # of the scales of a sum: XNNPACK's least; 16 bits of others
_MIN_PRODUCT: Final = 2.0**-16  # XNNPACK's least
_MAX_MULTIPLIER: Final = 1 - 2**-20  # below 1, however the product of the scales is rounded


def fault_of_layer(
    values: Tensor, weights: Tensor, biases: Sequence[Tensor], result: Tensor
) -> str | None:
    """Find out why an int8 layer cannot be in a plan; None: it can.

    Args:
        values: its input.
        weights: int8 (out, ...): each output is a sum of the products of its weights.
        biases: none, or one, int32 (out,).
        result: its output.
    """
    if weights.zero_point:
        return "its weights have a zero point"
    integers = np.abs(np.asarray(weights.values, np.int64)).reshape(weights.dims[0], -1)
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


def fault_of_pair(name: str, x: Tensor, other: Tensor, y: Tensor) -> str | None:
    """Find out why an int8 `mul`, `add` or `sub` cannot be in a plan; None: it can.

    Args:
        name: the operator.
        x: its first input.
        other: its second input.
        y: its output.
    """
    if other.scales is not None:
        return "its constant has several scales"
    scales = np.array([x.scale, other.scale], np.float32)
    if name == "mul":
        product = scales[0] * scales[1] / np.float32(y.scale)
        if not _MIN_PRODUCT <= product < _MAX_MULTIPLIER:
            return "its output has finer steps than its products, or much coarser ones"
        return None
    ratios = scales / np.float32(y.scale)
    if not ((ratios >= _RATIOS[0]) & (ratios < _RATIOS[1])).all():
        return "the scales of its inputs and its output are too far apart"
    return None


def fault_of_mean(x: Tensor, y: Tensor, count: int) -> str | None:
    """Find out why an int8 `mean` of `count` values cannot be in a plan; None: it can."""
    if count > _MAX_TERMS:
        return f"it averages more than {_MAX_TERMS:,} values"
    ratio = x.scale / y.scale
    most = 2 ** (count.bit_length() - 1) * _MAX_MULTIPLIER
    if not _RATIOS[0] <= ratio < most:
        return "the scales of its input and its output are too far apart"
    return None
