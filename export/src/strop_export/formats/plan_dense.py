"""The dense layers and the operators of two tensors of a .tflite file, in a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from strop_export.formats.plan import Step, Tensor
from strop_export.formats.plan_draft import Draft, activation
from strop_export.formats.plan_limits import fault_of_layer, fault_of_pair
from strop_export.formats.plan_source import Refusal


def fully_connected(draft: Draft, operator: Any, inputs: Sequence[int], output: int) -> Step:
    """Translate FULLY_CONNECTED."""
    first, *others = inputs
    values, result = draft.variable(first), draft.variable(output)
    weights, *biases = (draft.source.constant(index) for index in others)
    if weights.dtype != values.dtype or len(weights.dims) != 2:
        raise Refusal(f"its weights are {weights.dtype} of shape {weights.dims}")
    if math.prod(values.dims) % weights.dims[1]:
        raise Refusal(f"its input of shape {values.dims} has no rows of {weights.dims[1]}")
    numbers = add_layer(draft, values, others, (weights, *biases), result)
    return Step(
        "fully_connected",
        (draft.number(first), *numbers),
        draft.number(output),
        activation(operator),
    )


def add_layer(
    draft: Draft, x: Tensor, indices: Sequence[int], constants: Sequence[Tensor], y: Tensor
) -> list[int]:
    """Add the constants of a layer, and return their numbers.

    Args:
        draft: the plan.
        x: the input of the layer.
        indices: of the constants, in the file.
        constants: the weights, (out, ...), and the bias if there is one.
        y: the output of the layer.

    Raises:
        Refusal: no plan has such a layer.
    """
    weights, *biases = constants
    wanted = "int32" if weights.dtype == "int8" else "float32"
    for each in biases:
        if (each.dtype, each.dims) != (wanted, weights.dims[:1]):
            raise Refusal(f"its bias is {each.dtype} of shape {each.dims}")
    if weights.dtype == "int8":
        fault = fault_of_layer(x, weights, biases, y)
        if fault is not None:
            raise Refusal(fault)
    return [draft.constant(*each) for each in zip(indices, constants, strict=True)]


def pairwise(draft: Draft, name: str, operator: Any, inputs: Sequence[int], output: int) -> Step:
    """Translate MUL, ADD or SUB; `name` is the plan's."""
    first, second = inputs
    if draft.source.is_constant(first) and name != "sub":
        first, second = second, first
    source, result = draft.number(first), draft.number(output)
    x, y = draft.tensors[source], draft.tensors[result]
    fused = activation(operator)
    if not draft.source.is_constant(second):
        other = draft.number(second)
        if not math.prod(x.dims) == math.prod(y.dims) == math.prod(draft.tensors[other].dims):
            raise Refusal("its inputs have different sizes")
    elif math.prod(x.dims) < math.prod(y.dims):
        if name != "mul":
            raise Refusal("its inputs have different sizes")
        other = draft.add(_column(draft.source.constant(second), x, y))
        return Step("fully_connected", (source, other), result, fused)
    else:
        other = draft.add(_repeated(draft.source.constant(second), x))
    if x.dtype == "int8":
        fault = fault_of_pair(name, x, draft.tensors[other], y)
        if fault is not None:
            raise Refusal(fault)
    return Step(name, (source, other), result, fused)


def _column(constant: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the weights of a layer of one input, which TensorFlow writes as a product."""
    count = math.prod(constant.dims)
    if constant.dtype != "float32" or constant.dims[-1:] != (count,):
        raise Refusal(
            f"its {constant.dtype} constant of shape {constant.dims} is not the weights of a layer"
        )
    if math.prod(y.dims) != math.prod(x.dims) * count:
        raise Refusal("its inputs have different sizes")
    return replace(constant, dims=(count, 1), values=np.asarray(constant.values).reshape(-1, 1))


def _repeated(constant: Tensor, x: Tensor) -> Tensor:
    """Return a constant that meets all values of a tensor in turn, again and again."""
    values = np.asarray(constant.values)
    while values.shape[:1] == (1,):
        values = values[0]
    if constant.dtype != x.dtype or values.shape != x.dims[len(x.dims) - values.ndim :]:
        raise Refusal(
            f"its {constant.dtype} constant {constant.dims} does not repeat along its input"
        )
    return replace(constant, dims=values.shape, values=values)
