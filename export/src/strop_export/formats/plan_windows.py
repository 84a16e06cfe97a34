"""The convolutions and pools of a .tflite file, in a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from strop_export.formats.plan import MAX_PARAMETER, Step, Tensor, Window
from strop_export.formats.plan_dense import add_layer
from strop_export.formats.plan_draft import Draft, activation, same_quantization
from strop_export.formats.plan_source import Refusal

_SAME: Final = 0  # Padding of the schema


def convolution(draft: Draft, operator: Any, inputs: Sequence[int], output: int) -> Step:
    """Translate CONV_2D."""
    return _convolution(draft, "conv_2d", operator, inputs, output)


def depthwise(draft: Draft, operator: Any, inputs: Sequence[int], output: int) -> Step:
    """Translate DEPTHWISE_CONV_2D."""
    return _convolution(draft, "depthwise_conv_2d", operator, inputs, output)


def pool(draft: Draft, name: str, operator: Any, inputs: Sequence[int], output: int) -> Step:
    """Translate MAX_POOL_2D or AVERAGE_POOL_2D; `name` is the plan's."""
    x, y = picture(draft, inputs[0]), picture(draft, output)
    same_quantization(x, y)
    options = operator.builtinOptions
    size = (options.filterHeight, options.filterWidth)
    window, sides = _window(options, x, size, (1, 1))
    if y.dims != (*sides, x.dims[2]):
        raise Refusal(f"its output has the shape {y.dims}")
    window = _checked(window._replace(dilations=(0, 0), size=size))
    number, result = draft.number(inputs[0]), draft.number(output)
    return Step(name, (number,), result, activation(operator), window=window)


def _convolution(
    draft: Draft, name: str, operator: Any, inputs: Sequence[int], output: int
) -> Step:
    first, *others = inputs
    x, y = picture(draft, first), picture(draft, output)
    weights = (deep if name == "conv_2d" else _shallow)(draft, others[0], x)
    biases = [draft.source.constant(index) for index in others[1:]]
    options = operator.builtinOptions
    dilations = (options.dilationHFactor, options.dilationWFactor)
    size = weights.dims[1:3]
    window, sides = _window(options, x, size, dilations)
    if y.dims != (*sides, weights.dims[0]):
        raise Refusal(f"its output has the shape {y.dims}")
    numbers = add_layer(draft, x, others, (weights, *biases), y)
    number, result = draft.number(first), draft.number(output)
    fused = activation(operator)
    return Step(name, (number, *numbers), result, fused, window=_checked(window))


def picture(draft: Draft, index: int) -> Tensor:
    """Return a tensor of (h, w, channels).

    Raises:
        Refusal: the tensor is another.
    """
    x = draft.variable(index)
    if len(x.dims) != 3 or not draft.batch_axes(index):
        raise Refusal(f"it is not of a picture: {draft.source.shape(index)}")
    return x


def deep(draft: Draft, index: int, x: Tensor) -> Tensor:
    """Return the weights of a convolution, (out, kh, kw, in).

    Args:
        draft: the plan.
        index: of the weights, in the file.
        x: the input of the convolution.

    Raises:
        Refusal: no plan has such weights.
    """
    weights = draft.source.constant(index)
    if weights.dtype != x.dtype or len(weights.dims) != 4:
        raise Refusal(f"its weights are {weights.dtype} of shape {weights.dims}")
    if weights.dims[3] != x.dims[2]:
        raise Refusal(f"it has groups, each of {weights.dims[3]} of its {x.dims[2]} channels")
    return _with_scales(weights)


def _shallow(draft: Draft, index: int, x: Tensor) -> Tensor:
    """Return the weights of a depthwise convolution, (out, kh, kw)."""
    weights = draft.source.constant(index, axis=3)
    if weights.dtype != x.dtype or len(weights.dims) != 4 or weights.dims[0] != 1:
        raise Refusal(f"its weights are {weights.dtype} of shape {weights.dims}")
    values = np.moveaxis(np.asarray(weights.values)[0], 2, 0)
    if len(values) % x.dims[2]:
        raise Refusal(f"its {len(values)} channels are no multiple of {x.dims[2]}")
    return _with_scales(replace(weights, dims=values.shape, values=values))


def _with_scales(weights: Tensor) -> Tensor:
    """Give each output a scale: kernels round the one of all no earlier."""
    if not weights.scale:
        return weights
    scales = np.full(weights.dims[0], weights.scale, np.float32)
    return replace(weights, scale=0.0, scales=scales)


def _window(
    options: Any, x: Tensor, size: Sequence[int], dilations: tuple[int, int]
) -> tuple[Window, tuple[int, int]]:
    """Return how windows lie, and the height and width of the output, as TensorFlow has them."""
    strides = (options.strideH, options.strideW)
    sides, paddings = [], []
    for side, stride, length, dilation in zip(x.dims, strides, size, dilations, strict=False):
        reach = (length - 1) * dilation + 1
        count = -(-side // stride) if options.padding == _SAME else (side - reach) // stride + 1
        needed = (count - 1) * stride + reach - side if options.padding == _SAME else 0
        sides.append(count)
        paddings.append(max(needed, 0) // 2)
    return Window(strides, dilations, (paddings[0], paddings[1])), (sides[0], sides[1])


def _checked(window: Window) -> Window:
    if max(number for pair in window for number in pair) > MAX_PARAMETER:
        raise Refusal(f"its window has a stride, dilation, padding or size above {MAX_PARAMETER}")
    return window
