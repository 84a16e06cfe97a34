"""The mean and the moves of values of a .tflite file, in a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from strop_export.formats.plan import MAX_PARAMETER, Step
from strop_export.formats.plan_draft import Draft, activation, same_quantization
from strop_export.formats.plan_limits import fault_of_mean
from strop_export.formats.plan_source import Refusal

_MOST_JOINED: Final = 3  # inputs of a step


def mean(draft: Draft, inputs: Sequence[int], output: int) -> Step:
    """Translate MEAN."""
    first, batch = inputs[0], draft.batch_axes(inputs[0])
    x, y = draft.variable(first), draft.variable(output)
    listed = _integers(draft, inputs[1]).ravel().tolist()
    axes = sorted({axis % (len(x.dims) + batch) - batch for axis in listed} - {-1})
    if axes != list(range(axes[0], axes[0] + len(axes)) if axes else ()):
        raise Refusal(f"it averages the axes {axes}, which do not follow each other")
    count = math.prod(x.dims[axis] for axis in axes)
    numbers = ((draft.number(first),), draft.number(output))
    if count == 1 and (x.scale, x.zero_point) == (y.scale, y.zero_point):
        return Step("reshape", *numbers)
    if not axes:
        raise Refusal("it averages no axis")
    if x.dtype == "int8":
        fault = fault_of_mean(x, y, count)
        if fault is not None:
            raise Refusal(fault)
    return Step("mean", *numbers, axes=(axes[0], len(axes)))


def concatenate(draft: Draft, operator: Any, inputs: Sequence[int], output: int) -> list[Step]:
    """Translate CONCATENATION: more than three inputs take several steps."""
    parts = [draft.variable(index) for index in inputs]
    same_quantization(*parts, draft.variable(output))
    if activation(operator) != "none":
        raise Refusal("a plan fuses no activation in it")
    batch, rank = draft.batch_axes(output), len(draft.source.shape(output))
    axis = operator.builtinOptions.axis % rank - batch
    if axis < 0 or any(draft.batch_axes(index) != batch for index in inputs):
        raise Refusal("it joins samples")
    numbers = [draft.number(index) for index in inputs]
    if len(numbers) == 1:
        return [Step("reshape", (numbers[0],), draft.number(output))]
    steps = []
    joined, size = numbers[0], parts[0].dims[axis]
    for start in range(1, len(numbers), _MOST_JOINED - 1):
        more = slice(start, start + _MOST_JOINED - 1)
        size += sum(part.dims[axis] for part in parts[more])
        dims = tuple(size if i == axis else side for i, side in enumerate(parts[0].dims))
        is_last = start + _MOST_JOINED - 1 >= len(numbers)
        result = (
            draft.number(output) if is_last else draft.add(replace(parts[0], dims=dims, name=""))
        )
        steps.append(Step("concatenate", (joined, *numbers[more]), result, axes=(axis,)))
        joined = result
    return steps


def pad(draft: Draft, inputs: Sequence[int], output: int) -> Step:
    """Translate PAD, and PADV2 if it adds zeros."""
    first, amounts, *values = inputs
    x, y = draft.variable(first), draft.variable(output)
    same_quantization(x, y)
    for index in values:
        added = draft.source.constant(index)
        if added.dtype == "int8":
            same_quantization(x, added)
        if (np.asarray(added.values) != x.zero_point).any():
            raise Refusal("a plan's pad adds only zeros")
    batch, before_and_after = draft.batch_axes(first), _integers(draft, amounts)
    if before_and_after[:batch].any():
        raise Refusal("it adds samples")
    before = tuple(map(int, before_and_after[batch:, 0]))
    if max(before, default=0) > MAX_PARAMETER:
        raise Refusal(f"it adds more than {MAX_PARAMETER} values before an axis")
    return Step("pad", (draft.number(first),), draft.number(output), axes=before)


def transpose(draft: Draft, inputs: Sequence[int], output: int) -> Step:
    """Translate TRANSPOSE."""
    first, batch = inputs[0], draft.batch_axes(inputs[0])
    same_quantization(draft.variable(first), draft.variable(output))
    order = _integers(draft, inputs[1]).tolist()
    if order[:batch] != [0] * batch or draft.batch_axes(output) != batch:
        raise Refusal("it moves the axis of samples")
    axes = tuple(axis - batch for axis in order[batch:])
    return Step("transpose", (draft.number(first),), draft.number(output), axes=axes)


def _integers(draft: Draft, index: int) -> Any:
    """Return a constant of integers, such as axes."""
    return np.asarray(draft.source.constant(index).values)
