"""The float arithmetic of docs/plan-format.md in NumPy: a part of the referee."""

from __future__ import annotations

import numpy as np

from tests.contract.referee_records import Array, f32


def sums(rows: Array, weights: Array, bias: Array | None) -> Array:
    """Multiply rows (..., in) with weights (out, in), in the order of the page."""
    partial = np.zeros((4, *rows.shape[:-1], len(weights)), f32)
    for k in range(weights.shape[1]):
        partial[k % 4] += rows[..., k, np.newaxis] * weights[:, k]
    sums = (partial[0] + partial[1]) + (partial[2] + partial[3])
    return sums if bias is None else sums + bias


def activated(values: Array, activation: int) -> Array:
    if activation:
        values = np.where(values < 0, f32(0), values)
    return np.where(values > 6, f32(6), values) if activation == 2 else values


def exp(x: Array) -> Array:
    n = np.rint(x * f32(1.44269504088896341))
    r = (x - n * f32(0.693359375)) - n * f32(-2.12194440e-4)
    p = f32(1.9875691500e-4)
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = p * r + f32(c)
    inside = np.ldexp((p * (r * r) + r) + f32(1), n.astype(np.int32))
    return np.where(x > 88, f32(np.inf), np.where(x < -87, f32(0), inside))


def tanh(x: Array) -> Array:
    a = np.abs(x)
    z, p = a * a, f32(-5.70498872745e-3)
    for c in (2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1):
        p = p * z + f32(c)
    far = f32(1) - f32(2) / (exp(f32(2) * a) + f32(1))
    return np.copysign(np.where(a < f32(0.625), (p * z) * a + a, far), x)


def mean(x: Array) -> Array:
    """Average (..., n, b) over n, in the order of the page."""
    total = np.zeros_like(x[..., 0, :])
    for i in range(x.shape[-2]):
        total = total + x[..., i, :]
    return total / f32(x.shape[-2])


def softmax(x: Array, beta: np.float32) -> Array:
    v = beta * x
    m = v[..., 0]
    for i in range(1, v.shape[-1]):
        m = np.where(v[..., i] > m, v[..., i], m)
    t = exp(v - m[..., np.newaxis])
    total = t[..., 0]
    for i in range(1, t.shape[-1]):
        total = total + t[..., i]
    return t / total[..., np.newaxis]
