"""The windows of docs/plan-format.md in NumPy: convolutions and pools of the referee."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.contract import referee_floats as floats
from tests.contract import referee_integers as integers
from tests.contract.referee_records import Array, Plan, Step, f32


def convolution(plan: Plan, step: Step, values: Array) -> Array:
    """Compute `conv_2d` or `depthwise_conv_2d` without its float activation."""
    x, weights, *biases = (plan.tensors[number] for number in step.inputs)
    y, own = plan.tensors[step.output], weights.values
    assert own is not None
    _, height, width, *_ = weights.dims
    deep = step.operator == "conv_2d"
    outside = 0 if x.dtype == f32 else x.zero_point
    taps = [tap for tap, _ in _taps(step, values, (height, width), y.dims[:2], outside)]
    kernels = own.reshape(len(own), height * width, -1).transpose(1, 0, 2)  # (taps, out, in or 1)
    bias = biases[0].values if biases else None
    if x.dtype == f32:
        if deep:
            sums = floats.sums(np.concatenate(taps, -1), own.reshape(len(own), -1), None)
        else:
            sums = np.zeros((len(values), *y.dims), f32)
            for tap, kernel in zip(taps, kernels, strict=True):
                sums = sums + np.repeat(tap, y.dims[2] // x.dims[2], axis=-1) * kernel[:, 0]
        return sums if bias is None else sums + bias
    # float64 holds every sum exactly, and multiplies faster than integers.
    exact = np.zeros((len(values), *y.dims))
    for tap, kernel in zip(taps, kernels, strict=True):
        steps = tap.astype(float) - x.zero_point
        if deep:
            exact += steps @ kernel.T.astype(float)
        else:
            exact += np.repeat(steps, y.dims[2] // x.dims[2], axis=-1) * kernel[:, 0]
    total = exact.astype(np.int64) + (0 if bias is None else bias)
    return integers.requantized(total, x, weights, y, step.activation, plan.rounding)


def pool(plan: Plan, step: Step, values: Array) -> Array:
    """Compute `max_pool_2d` or `average_pool_2d` without its float activation."""
    y = plan.tensors[step.output]
    largest, kind = step.operator == "max_pool_2d", f32 if values.dtype == f32 else np.int64
    size = (step.parameters[6], step.parameters[7])
    counts = np.zeros((*y.dims[:2], 1), np.int64)
    found = np.zeros((len(values), *y.dims), kind)
    for tap, inside in _taps(step, values, size, y.dims[:2], 0):
        v = tap.astype(kind)
        if largest:
            found = np.where(inside & ((counts == 0) | (v > found)), v, found)
        else:
            found = np.where(inside, found + v, found)
        counts += inside
    assert (counts > 0).all()
    if values.dtype == f32:
        return found if largest else found / counts.astype(f32)
    if largest:
        return integers.clamped(found, y, step.activation, plan.rounding)
    return integers.clamped(integers.average(found, counts), y, step.activation, 0)


def _taps(
    step: Step, x: Array, size: tuple[int, int], outputs: tuple[int, ...], outside: int
) -> Iterator[tuple[Array, Array]]:
    """Yield each place of the window, by row and column: its value for every output.

    Args:
        step: its parameters say how the windows lie.
        x: (N, h, w, c).
        size: height and width of the window.
        outputs: height and width of the output.
        outside: the value where the place is outside x.

    Yields:
        the values, (N, oh, ow, c), and whether they are inside, (oh, ow, 1).
    """
    strides, padding = step.parameters[:2], step.parameters[4:6]
    dilations = [d or 1 for d in step.parameters[2:4]]
    for place in np.ndindex(*size):
        rows, columns = (
            np.arange(outputs[i]) * strides[i] - padding[i] + place[i] * dilations[i]
            for i in range(2)
        )
        inside = (
            ((rows >= 0) & (rows < x.shape[1]))[:, np.newaxis]
            & ((columns >= 0) & (columns < x.shape[2]))[np.newaxis]
        )[..., np.newaxis]
        near = x[:, np.clip(rows, 0, x.shape[1] - 1)][:, :, np.clip(columns, 0, x.shape[2] - 1)]
        yield np.where(inside, near, x.dtype.type(outside)), inside
