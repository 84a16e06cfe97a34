"""Small .tflite files of one int8 operator, for all values of a byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from strop_export.formats.base import Converted
from tests.contract import tflite_kit

BYTES = np.arange(-128, 128, dtype=np.int8)[:, np.newaxis]
Quantized = tuple[float, int]  # a scale and a zero point


def single(kind: str, x: Quantized | None, y: Quantized | None, **options: Any) -> Converted:
    """An operator of one value; None: float32."""
    build = tflite_kit.Builder()
    source, result = (
        build.tensor((1, 1), "int8" if own else "float32", *(own or ())) for own in (x, y)
    )
    return build.file(source, build.step(kind, [source], result, **options))


def quantized(random: np.random.Generator, low: float, high: float) -> Quantized:
    """A random zero point, and a scale between powers of 2; one of four scales is a power of 2."""
    power = random.uniform(low, high)
    scale = np.float32(2.0 ** (round(power) if random.integers(4) == 0 else power))
    return float(scale), int(random.integers(-128, 128))


def pair(
    kind: str, quantizations: Sequence[Quantized], *, fused: int, reverse: bool = False
) -> Converted:
    """A MUL, ADD or SUB of 256 values and all of -128 to 127."""
    x, w, y = quantizations
    build = tflite_kit.Builder()
    source, result = build.tensor((1, 256), "int8", *x), build.tensor((1, 256), "int8", *y)
    inputs = [source, build.constant(BYTES[:, 0], *w)]
    step = build.step(
        kind, inputs[::-1] if reverse else inputs, result, fusedActivationFunction=fused
    )
    return build.file(source, step)


def pairs(kind: str) -> list[Converted]:
    random, files = np.random.default_rng(17), []
    for i in range(30):
        x, w = (quantized(random, -6, 0) for _ in range(2))
        ratio, zero_point = quantized(random, 1, 10) if kind == "MUL" else quantized(random, -5, 5)
        scale = x[0] * w[0] * ratio if kind == "MUL" else max(x[0], w[0]) * ratio
        fused, reverse = (0, 0, 1, 3)[i % 4], kind != "SUB" and i % 8 == 0
        files.append(pair(kind, (x, w, (scale, zero_point)), fused=fused, reverse=reverse))
    return files
