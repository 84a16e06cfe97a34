"""How windows, copies and averages lie in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from strop_export.formats.plan import Step, Tensor


class Axis(NamedTuple):
    """An axis of a copy: its size, and the bytes from one position to the next in x and in y."""

    size: int
    x_step: int
    y_step: int


class Copy(NamedTuple):
    """A copy of `item` bytes at each position of some axes, the last fastest."""

    axes: list[Axis]
    item: int


def steps_of(dims: Sequence[int], item: int) -> list[int]:
    """Return the bytes from one position to the next, for each axis of a tensor in C order."""
    return [item * math.prod(dims[i + 1 :]) for i in range(len(dims))]


def placed(x: Tensor, y: Tensor, item: int) -> Copy:
    """Return the copy of x, whose values have `item` bytes, into a part of y."""
    return _joined(map(Axis, x.dims, steps_of(x.dims, item), steps_of(y.dims, item)), item)


def transposition(x: Tensor, y: Tensor, order: Sequence[int], item: int) -> Copy:
    """Return the copy that `transpose` is."""
    from_steps = steps_of(x.dims, item)
    steps = (from_steps[axis] for axis in order)
    return _joined(map(Axis, y.dims, steps, steps_of(y.dims, item)), item)


def _joined(axes: Iterable[Axis], item: int) -> Copy:
    """Return a copy with as few axes as possible."""
    found: list[Axis] = []
    for axis in axes:
        if axis.size == 1:
            continue
        if found and found[-1][1:] == (axis.size * axis.x_step, axis.size * axis.y_step):
            found[-1] = Axis(found[-1].size * axis.size, axis.x_step, axis.y_step)
        else:
            found.append(axis)
    if found and found[-1][1:] == (item, item):
        return Copy(found[:-1], item * found[-1].size)
    return Copy(found, item)


def padded_start(y: Tensor, before: Sequence[int], item: int) -> int:
    """Return where in y, in bytes, `pad` puts the first value of x."""
    return sum(map(int.__mul__, before, steps_of(y.dims, item)))


def averaged(x: Tensor, step: Step) -> tuple[int, int, int]:
    """Return the values before, along and behind the averaged axes of `mean`."""
    first, count = step.axes[:2]
    end = first + count
    return math.prod(x.dims[:first]), math.prod(x.dims[first:end]), math.prod(x.dims[end:])


def is_dense(step: Step, x: Tensor, weights: Tensor, y: Tensor) -> bool:
    """Tell whether a convolution is a dense layer over the pixels of x."""
    window = step.window
    assert window is not None  # noqa: S101  every convolution has one
    return (
        weights.dims[1:3] == (1, 1)
        and window.strides == (1, 1)
        and window.padding == (0, 0)
        and x.dims[:2] == y.dims[:2]
    )


def farthest(step: Step, y: Tensor, size: Sequence[int]) -> int:
    """Return the largest distance of a window's tap from the start of x, along any axis."""
    window = step.window
    assert window is not None  # noqa: S101  every convolution and pool has one
    return max(
        (outputs - 1) * stride + (taps - 1) * max(dilation, 1)
        for outputs, stride, taps, dilation in zip(
            y.dims[:2], window.strides, size, window.dilations, strict=True
        )
    )
