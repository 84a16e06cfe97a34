"""Lookup tables of int8 functions: the values that TensorFlow Lite's kernels give for each byte."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop_export.formats.plan import Tensor

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

_BYTES: Final = np.arange(-128, 128, dtype=np.int64)
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "RELU": (0, math.inf),
    "RELU6": (0, 6),
    "RELU_N1_TO_1": (-1, 1),
}
_SLOPES: Final = (2.0**-8, 2.0**7)  # that XNNPACK takes; within them the others agree too
TABLES: Final = frozenset({*_LIMITS, "GELU", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "TANH"})


def table(kind: str, x: Tensor, y: Tensor, options: Any, rounding: str) -> NDArray[np.int8] | str:
    """Return the results of an operator of one int8 input, or the reason why it has none.

    Args:
        kind: the schema's name of the operator, one of `TABLES`.
        x: its input, int8.
        y: its output, int8.
        options: its options in the file.
        rounding: one of `strop.bundle.manifest.ROUNDINGS`.

    Returns:
        int8 (256,), for -128 to 127.
    """
    steps = _BYTES - x.zero_point
    if kind in (*_LIMITS, "LEAKY_RELU", "QUANTIZE"):
        slope = below = np.float32(x.scale) / np.float32(y.scale)
        if kind == "LEAKY_RELU":
            below = np.float32(x.scale) * np.float32(options.alpha) / np.float32(y.scale)
        if not all(_SLOPES[0] <= abs(factor) <= _SLOPES[1] for factor in (slope, below)):
            return "the scales of its input and its output are too far apart"
        # XNNPACK has no separate relu: LiteRT runs its built-in kernel.
        multiply = _in_256ths if rounding == "float" and kind not in _LIMITS else _scaled
        values = np.where(steps < 0, multiply(steps, below), multiply(steps, slope))
        if kind in _LIMITS:
            ends = (np.float32(end) / np.float32(y.scale) for end in _LIMITS[kind])
            values = np.clip(values, *map(_nearest, ends))
    elif kind == "GELU" and options.approximate:
        return "a plan has only the exact GELU, by erf"
    else:
        reals = np.float32(x.scale) * steps.astype(np.float32)
        results = _function(kind, reals, rounding) * (np.float32(1) / np.float32(y.scale))
        halves_to_even = rounding == "float" and kind != "GELU"  # XNNPACK has no GELU either
        values = np.rint(results).astype(np.int64) if halves_to_even else _nearest(results)
    return np.asarray(np.clip(values + y.zero_point, -128, 127), np.int8)


def _function(kind: str, x: Floats, rounding: str) -> Floats:
    """Compute a function as the kernels do: its value may be a half that they round."""
    if kind == "GELU":
        cut = [math.erfc(value) for value in x * np.float32(-math.sqrt(0.5))]
        return np.float32(0.5) * x * np.array(cut, np.float32)
    wide: NDArray[np.float64] = x.astype(np.float64)
    if kind == "TANH":
        return np.tanh(wide).astype(np.float32)
    with np.errstate(over="ignore"):
        powers = np.exp(-wide)
        if rounding == "float":
            return np.asarray(1 / (1 + powers), np.float32)
        return np.float32(1) / (np.float32(1) + powers.astype(np.float32))


def _nearest(values: Any) -> Any:
    """Round to the nearest integer, halves away from 0."""
    bounded = np.clip(np.asarray(values, np.float64), -1e6, 1e6)
    return (np.sign(bounded) * np.floor(np.abs(bounded) + 0.5)).astype(np.int64)


def _scaled(steps: Integers, factor: np.float32) -> Integers:
    """Multiply as the reference kernels do: by a fraction of 31 bits, then by a power of 2."""
    fraction, power = math.frexp(float(factor))
    multiplier = round(fraction * 2**31)
    left, right = max(power, 0), max(-power, 0)
    high = ((steps << left) * multiplier + 2**30) >> 31
    result: Integers = np.sign(high) * ((np.abs(high) + ((1 << right) >> 1)) >> right)
    return result


def _in_256ths(steps: Integers, factor: np.float32) -> Integers:
    """Multiply as XNNPACK does: by a fraction of 8 bits."""
    return (steps * int(np.rint(factor * np.float32(256))) + 128) >> 8
