"""Small .tflite files of one operator of pictures: convolutions, pools, mean and moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.formats.base import Converted
from tests.contract import tflite_kit
from tests.contract.operator_files import Quantized

Array = NDArray[Any]
Pair = tuple[int, int]
SAME, VALID = 0, 1


class Geometry(NamedTuple):
    """How the windows of an operator lie over a picture."""

    sides: Pair
    size: Pair
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    padding: int = SAME

    def outputs(self) -> Pair:
        """Return the height and width of the output, as TensorFlow has them."""
        found = []
        for side, size, stride, dilation in zip(*self[:4], strict=True):
            reach = (size - 1) * dilation if self.padding == VALID else 0
            found.append(-(-(side - reach) // stride))
        return found[0], found[1]

    @classmethod
    def random(cls, random: np.random.Generator, *, dilated: bool = True) -> Geometry:
        size = (int(random.integers(1, 6)), int(random.integers(1, 6)))
        dilations = (1, 1)
        strides = (int(random.integers(1, 4)), int(random.integers(1, 4)))
        if dilated and random.random() < 0.3:  # no kernel takes both
            dilations, strides = (int(random.integers(1, 4)), int(random.integers(1, 4))), (1, 1)
        padding = int(random.choice([SAME, VALID]))
        reach = [(s - 1) * d + 1 for s, d in zip(size, dilations, strict=True)]
        least = reach if padding == VALID else (1, 1)
        sides = [int(random.integers(low, low + 9)) for low in least]
        return cls((sides[0], sides[1]), size, strides, dilations, padding)


def convolution(
    random: np.random.Generator,
    geometry: Geometry,
    channels: int,
    outputs: int,
    *,
    depthwise: bool = False,
    scales: int = 0,
    fused: int = 0,
) -> Converted:
    """An int8 CONV_2D or DEPTHWISE_CONV_2D, with the bias that kernels want.

    Args:
        random: makes the weights and the quantization.
        geometry: how its windows lie.
        channels: of its input.
        outputs: channels of its output.
        depthwise: which of both.
        scales: how many its weights have; 0: one for each output.
        fused: the schema's number of its activation.
    """
    x, y = (float(np.float32(random.uniform(0.01, 0.2))) for _ in range(2))
    x_zero, y_zero = (int(random.integers(-128, 128)) for _ in range(2))
    shape = (1, *geometry.size, outputs) if depthwise else (outputs, *geometry.size, channels)
    terms = math.prod(geometry.size) * (1 if depthwise else channels)
    factors = random.uniform(0.3, 0.95, scales or outputs)
    w = (factors * y / x / 6 / np.sqrt(terms)).astype(np.float32)
    weights = random.integers(-127, 128, shape).astype(np.int8)
    sums = np.clip(random.normal(0, 40, outputs) * y / x / w, -1e6, 1e6).astype(np.int32)
    build = tflite_kit.Builder()
    source = build.tensor((1, *geometry.sides, channels), "int8", x, x_zero)
    result = build.tensor((1, *geometry.outputs(), outputs), "int8", y, y_zero)
    constant = build.constant(weights, w, axis=3 if depthwise else 0)
    inputs = [source, constant, build.constant(sums, np.float32(x) * w)]
    options: dict[str, Any] = {"depthMultiplier": outputs // channels} if depthwise else {}
    options |= _options(geometry, fused)
    options |= {"dilationHFactor": geometry.dilations[0], "dilationWFactor": geometry.dilations[1]}
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    return build.file(source, build.step(kind, inputs, result, **options))


def pool(
    kind: str, geometry: Geometry, channels: int, quantized: Quantized | None, fused: int = 0
) -> Converted:
    """A MAX_POOL_2D or AVERAGE_POOL_2D; `quantized`: of int8, None: float32."""
    dtype, own = ("int8", quantized) if quantized else ("float32", ())
    build = tflite_kit.Builder()
    source = build.tensor((1, *geometry.sides, channels), dtype, *own)
    result = build.tensor((1, *geometry.outputs(), channels), dtype, *own)
    options = _options(geometry, fused)
    options |= {"filterHeight": geometry.size[0], "filterWidth": geometry.size[1]}
    return build.file(source, build.step(kind, [source], result, **options))


def _options(geometry: Geometry, fused: int) -> dict[str, Any]:
    strides = {"strideH": geometry.strides[0], "strideW": geometry.strides[1]}
    return {**strides, "padding": geometry.padding, "fusedActivationFunction": fused}


def reduced(
    kind: str,
    shape: Sequence[int],
    axes: Sequence[int],
    x: Quantized,
    y: Quantized,
    *,
    keep: bool = False,
) -> Converted:
    """An int8 MEAN or REDUCE_MAX."""
    averaged = {axis % len(shape) for axis in axes}
    sides = [1 if i in averaged else side for i, side in enumerate(shape)]
    if not keep:
        sides = [side for i, side in enumerate(shape) if i not in averaged]
    build = tflite_kit.Builder()
    source, result = build.tensor(tuple(shape), "int8", *x), build.tensor(tuple(sides), "int8", *y)
    inputs = [source, build.constant(np.array(axes, np.int32))]
    return build.file(source, build.step(kind, inputs, result, keepDims=keep))


def transposed(
    random: np.random.Generator, sides: Pair, size: Pair, channels: int, outputs: int
) -> Converted:
    """An int8 TRANSPOSE_CONV whose windows neither overlap nor leave gaps."""
    x, y = (float(np.float32(random.uniform(0.01, 0.2))) for _ in range(2))
    x_zero, y_zero = (int(random.integers(-128, 128)) for _ in range(2))
    factors = random.uniform(0.3, 0.95, outputs)
    w = (factors * y / x / 6 / np.sqrt(channels)).astype(np.float32)
    weights = random.integers(-127, 128, (outputs, *size, channels)).astype(np.int8)
    sums = np.clip(random.normal(0, 40, outputs) * y / x / w, -1e6, 1e6).astype(np.int32)
    shape = (1, sides[0] * size[0], sides[1] * size[1], outputs)
    build = tflite_kit.Builder()
    source = build.tensor((1, *sides, channels), "int8", x, x_zero)
    result = build.tensor(shape, "int8", y, y_zero)
    inputs = [build.constant(np.array(shape, np.int32)), build.constant(weights, w), source]
    inputs.append(build.constant(sums, np.float32(x) * w))
    options = {"strideH": size[0], "strideW": size[1], "padding": VALID}
    return build.file(source, build.step("TRANSPOSE_CONV", inputs, result, **options))
