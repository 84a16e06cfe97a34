"""Operators of a .tflite file that a plan computes in several steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from strop_export.formats.plan import MAX_PARAMETER, Step, Tensor, Window
from strop_export.formats.plan_dense import add_layer
from strop_export.formats.plan_draft import Draft, activation, same_quantization
from strop_export.formats.plan_source import Refusal
from strop_export.formats.plan_windows import deep, picture


def transposed(draft: Draft, operator: Any, inputs: Sequence[int], output: int) -> list[Step]:
    """Translate a TRANSPOSE_CONV whose windows do not overlap.

    Each value of x becomes a rectangle of y: a convolution of one value computes its channels, and
    they are put where they belong.
    """
    _, kernel, first, *more = inputs
    x, y = picture(draft, first), picture(draft, output)
    weights, biases = deep(draft, kernel, x), [draft.source.constant(index) for index in more]
    out, *size = weights.dims[:3]
    options = operator.builtinOptions
    if size != [options.strideH, options.strideW]:
        raise Refusal("its windows overlap or leave gaps")
    height, width = x.dims[:2]
    if y.dims != (height * size[0], width * size[1], out):
        raise Refusal(f"its output has the shape {y.dims}")
    places = size[0] * size[1]
    values = np.moveaxis(np.asarray(weights.values), 0, 2).reshape(places * out, 1, 1, -1)
    scales = None if weights.scales is None else np.tile(weights.scales, places)
    constants = [replace(weights, dims=values.shape, values=values, scales=scales)]
    constants += [
        replace(bias, dims=(places * out,), values=np.tile(np.asarray(bias.values), places))
        for bias in biases
    ]
    channels = draft.add(_like(y, (height, width, places * out)))
    rows = draft.add(_like(y, (height, width, size[0], size[1] * out)))
    placed = draft.add(_like(y, (height, size[0], width, size[1] * out)))
    numbers = add_layer(draft, x, (kernel, *more), constants, draft.tensors[channels])
    window = Window((1, 1), (1, 1))
    fused = activation(operator)
    return [
        Step("conv_2d", (draft.number(first), *numbers), channels, fused, window=window),
        Step("reshape", (channels,), rows),
        Step("transpose", (rows,), placed, axes=(0, 2, 1, 3)),
        Step("reshape", (placed,), draft.number(output)),
    ]


def largest(draft: Draft, inputs: Sequence[int], output: int) -> list[Step]:
    """Translate REDUCE_MAX of all but the last axis: a pool of one window."""
    first, batch = inputs[0], draft.batch_axes(inputs[0])
    x, y = draft.variable(first), draft.variable(output)
    same_quantization(x, y)
    rank = len(x.dims) + batch
    listed = np.asarray(draft.source.constant(inputs[1]).values).ravel().tolist()
    axes = sorted({axis % rank - batch for axis in listed} - {-1})
    if not axes or axes != list(range(len(x.dims) - 1)):
        raise Refusal(f"it takes the largest value along the axes {axes}")
    sides = (x.dims[0], math.prod(x.dims[1:-1]))
    if max(sides) > MAX_PARAMETER:
        raise Refusal(f"its window has a size above {MAX_PARAMETER}")
    wide = draft.add(_like(x, (*sides, x.dims[-1])))
    one = draft.add(_like(x, (1, 1, x.dims[-1])))
    return [
        Step("reshape", (draft.number(first),), wide),
        Step("max_pool_2d", (wide,), one, window=Window((1, 1), size=sides)),
        Step("reshape", (one,), draft.number(output)),
    ]


def _like(tensor: Tensor, dims: tuple[int, ...]) -> Tensor:
    return Tensor(tensor.dtype, dims, tensor.scale, tensor.zero_point)
