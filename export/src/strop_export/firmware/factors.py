"""Numbers of int8 steps in rounding `reference`: docs/plan-format.md, "Integer arithmetic"."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.formats.plan import Tensor

Integers = NDArray[np.int64]


class Factors(NamedTuple):
    """Factors below 1 as integers: multipliers 2^-31, shifted to the right.

    Attributes:
        multipliers: (count,).
        shifts: (count,), 0 to 31.
    """

    multipliers: Integers
    shifts: Integers


def fixed_point(factors: Any) -> Factors:
    """Write factors, float64 () or (count,), as TensorFlow Lite does."""
    fractions, powers = np.frexp(np.atleast_1d(np.asarray(factors, np.float64)))
    multipliers = np.floor(fractions * 2.0**31 + 0.5).astype(np.int64)
    powers = powers.astype(np.int64)
    full = multipliers == 2**31
    multipliers, powers = np.where(full, 2**30, multipliers), np.where(full, powers + 1, powers)
    vanish = powers < -31
    return Factors(np.where(vanish, 0, multipliers), np.where(vanish, 0, -powers))


def layer_factors(x: Tensor, weights: Tensor, y: Tensor) -> Factors:
    """Return the factors of a layer's sums: one for each output, or one for all."""
    scale = np.float32(x.scale)
    product: Any = np.float64(scale * np.float32(weights.scale))
    if weights.scales is not None:
        product = np.float64(scale) * weights.scales.astype(np.float64)
    return fixed_point(product / np.float64(np.float32(y.scale)))


def product_factor(x: Tensor, w: Tensor, y: Tensor) -> Factors:
    """Return the factor of `mul`."""
    return fixed_point(np.float32(x.scale) * np.float32(w.scale) / np.float32(y.scale))


def sum_factors(x: Tensor, w: Tensor, y: Tensor) -> tuple[Factors, Factors, Factors]:
    """Return the factors of x, of w and of their sum or difference."""
    x_scale, w_scale, y_scale = (float(np.float32(tensor.scale)) for tensor in (x, w, y))
    twice = 2 * max(x_scale, w_scale)
    return (
        fixed_point(x_scale / twice),
        fixed_point(w_scale / twice),
        fixed_point(twice / (2.0**20 * y_scale)),
    )


def mean_factor(x: Tensor, y: Tensor, count: int) -> Factors:
    """Return the factor of the sum of `count` values."""
    ratio = fixed_point(np.float64(np.float32(x.scale)) / np.float64(np.float32(y.scale)))
    power = count.bit_length() - 1
    return Factors((ratio.multipliers << power) // count, ratio.shifts + power)


def activation_range(y: Tensor, activation: str) -> tuple[int, int]:
    """Return the lowest and the highest int8 value after a fused activation."""
    if activation == "none":
        return -128, 127
    if activation == "relu":
        return y.zero_point, 127
    six = float(np.float32(6) / np.float32(y.scale))
    return y.zero_point, min(127, y.zero_point + math.floor(six + 0.5))


def folded_bias(x: Tensor, weights: Tensor, bias: Tensor | None) -> Integers:
    """Return bias - z_x (the sum of an output's weights), (out,): then x needs no z_x."""
    outputs = weights.dims[0]
    own = np.zeros(outputs, np.int64) if bias is None else np.asarray(bias.values, np.int64)
    sums = np.asarray(weights.values, np.int64).reshape(outputs, -1).sum(axis=1)
    return np.asarray(own - x.zero_point * sums, np.int64)
