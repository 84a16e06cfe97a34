"""The integer arithmetic of docs/plan-format.md in NumPy: a part of the referee."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.contract.referee_records import Array, Tensor, f32


def requantized(
    sums: Array, x: Tensor, weights: Tensor, y: Tensor, activation: int, rounding: int
) -> Array:
    """Turn sums (..., out) of a layer into its int8 results."""
    scales = weights.scale if weights.scales is None else weights.scales
    steps = (_reference, _float)[rounding](sums, x.scale, scales, y.scale)
    return clamped(steps + y.zero_point, y, activation, rounding)


def mean(sums: Array, count: int, x: Tensor, y: Tensor, rounding: int) -> Array:
    """Turn sums of `count` stored values into int8 means."""
    if rounding:
        factor = (f32(1) / f32(count)) * (x.scale / y.scale)
        offset = f32(y.zero_point) - f32(count * x.zero_point) * factor
        steps = np.rint(sums.astype(f32) * factor + offset)
    else:
        multiplier, e = _fraction(np.float64(x.scale) / np.float64(y.scale))
        t = count.bit_length() - 1
        centred = sums.astype(np.int64) - count * x.zero_point
        steps = _scaled(centred, (multiplier << t) // count, e - t) + y.zero_point
    return np.clip(steps, -128, 127).astype(np.int8)


def average(sums: Array, counts: Array) -> Array:
    """Divide integers, and round to the nearest integer, halves away from 0."""
    return np.sign(sums) * ((2 * np.abs(sums) + counts) // (2 * counts))


def pair_product(
    x: Array, w: Array, s_x: np.float32, s_w: np.float32, s_y: np.float32, rounding: int
) -> Array:
    factor = (s_x * s_w) / s_y
    if rounding:
        return np.rint((x * w).astype(f32) * factor).astype(np.int64)
    return _multiplied(x * w, factor)


def pair_sum(x: Array, w: Array, sign: int, scales: tuple[np.float32, ...], rounding: int) -> Array:
    s_x, s_w, s_y = scales
    if rounding:
        ratios = np.array([s_x / s_y, s_w / s_y], f32)
        shift = 21 - int(np.frexp(ratios.max())[1])
        a, b = np.rint(ratios * f32(2.0**shift)).astype(np.int64)
        return (x * a + sign * w * b + (1 << (shift - 1))) >> shift
    largest = 2 * float(max(s_x, s_w))
    first = _multiplied(x << 20, float(s_x) / largest)
    second = _multiplied(w << 20, float(s_w) / largest)
    return _multiplied(first + sign * second, largest / (2.0**20 * float(s_y)))


def _reference(sums: Array, x: np.float32, w: Any, y: np.float32) -> Array:
    product = np.float64(x) * np.asarray(w, float) if np.ndim(w) else np.float64(x * w)
    return _multiplied(sums, product / np.float64(y))


def _multiplied(sums: Array, factor: Any) -> Array:
    return _scaled(sums, *_fraction(factor))


def _fraction(factor: Any) -> tuple[Array, Array]:
    q, e = np.frexp(np.float64(factor))
    multiplier, e = np.floor(q * 2.0**31 + 0.5).astype(np.int64), e.astype(np.int64)
    full = multiplier == 2**31
    multiplier, e = np.where(full, 2**30, multiplier), np.where(full, e + 1, e)
    multiplier, e = np.where(e < -31, 0, multiplier), np.where(e < -31, 0, e)
    return multiplier, e


def _scaled(sums: Array, multiplier: Array, e: Array) -> Array:
    assert (e <= 0).all()
    high = (sums * multiplier + 2**30) >> 31
    half = (np.int64(1) << -e) >> 1
    return np.sign(high) * ((np.abs(high) + half) >> -e)


def _float(sums: Array, x: np.float32, w: Any, y: np.float32) -> Array:
    factor = (x * w) / y
    return np.rint(sums.astype(f32) * factor).astype(np.int64)


def clamped(steps: Array, y: Tensor, activation: int, rounding: int) -> Array:
    return np.clip(steps, *_limits(y, activation, rounding)).astype(np.int8)


def _limits(y: Tensor, activation: int, rounding: int) -> tuple[int, int]:
    if activation == 0:
        return -128, 127
    if activation == 1:
        return y.zero_point, 127
    six = f32(6) / y.scale
    high = np.rint(six + f32(y.zero_point)) if rounding else y.zero_point + np.floor(six + 0.5)
    return y.zero_point, int(min(127, high))


def quantize(values: Array, y: Tensor, rounding: int) -> Array:
    if rounding:
        steps = np.rint(values * (f32(1) / y.scale)).astype(float)
    else:
        quotient = (values / y.scale).astype(float)
        steps = np.sign(quotient) * np.floor(np.abs(quotient) + 0.5)
    steps = np.where(np.isnan(steps), 0, steps) + y.zero_point
    return np.clip(steps, -128, 127).astype(np.int8)
