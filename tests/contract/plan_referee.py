"""A reader of plans in NumPy, written from docs/plan-format.md alone: the referee of the format."""

from __future__ import annotations

import math
import struct

import numpy as np

from tests.contract import referee_floats as floats
from tests.contract import referee_integers as integers
from tests.contract import referee_windows as windows
from tests.contract.referee_records import Array, Plan, Step, f32, read

__all__ = ["outputs", "read", "run"]


def run(file: bytes, *inputs: Array) -> dict[int, Array]:
    """Return every tensor that is given or computed, by its number, each (N, *dims)."""
    plan = read(file)
    found = dict(zip(plan.inputs, inputs, strict=True))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        for step in plan.steps:
            y = plan.tensors[step.output]
            result = _compute(plan, step, found)
            assert result.dtype == y.dtype
            found[step.output] = result.reshape(-1, *y.dims)
    return found


def outputs(file: bytes, *inputs: Array) -> list[Array]:
    found = run(file, *inputs)
    return [found[number] for number in read(file).outputs]


def _compute(plan: Plan, step: Step, found: dict[int, Array]) -> Array:
    x, *others = (plan.tensors[number] for number in step.inputs)
    y = plan.tensors[step.output]
    values = found[step.inputs[0]]
    match step.operator:
        case "reshape":
            return values
        case "dequantize":
            return x.scale * (values.astype(np.int32) - x.zero_point).astype(f32)
        case "quantize" if x.dtype == f32:
            return integers.quantize(values, y, plan.rounding)
        case "quantize":
            return np.clip(values.astype(int) - x.zero_point + y.zero_point, -128, 127).astype("i1")
        case "lookup":
            assert others[0].values is not None
            return others[0].values[values.astype(int) - np.iinfo(x.dtype).min]
        case "relu" | "relu6":
            return floats.activated(values, 1 if step.operator == "relu" else 2)
        case "sigmoid":
            return f32(1) / (f32(1) + floats.exp(-values))
        case "tanh":
            return floats.tanh(values)
        case "softmax":
            return floats.softmax(values, f32(struct.unpack_from("<f", step.parameters)[0]))
        case "fully_connected":
            weights, *biases = others
            rows = values.reshape(-1, weights.dims[1])
            bias = biases[0].values if biases else None
            if x.dtype == f32:
                return floats.activated(floats.sums(rows, weights.values, bias), step.activation)
            assert weights.values is not None
            # float64 holds every sum exactly, and multiplies faster than integers.
            exact = (rows.astype(float) - x.zero_point) @ weights.values.T.astype(float)
            sums = exact.astype(np.int64) + (0 if bias is None else bias)
            return integers.requantized(sums, x, weights, y, step.activation, plan.rounding)
        case "conv_2d" | "depthwise_conv_2d" | "max_pool_2d" | "average_pool_2d":
            compute = windows.convolution if "conv" in step.operator else windows.pool
            result = compute(plan, step, values)
            return floats.activated(result, step.activation) if y.dtype == f32 else result
        case "mean":
            first, count = step.parameters[:2]
            averaged, after = x.dims[first : first + count], x.dims[first + count :]
            rows = values.reshape(-1, math.prod(averaged), math.prod(after))
            if x.dtype == f32:
                return floats.mean(rows)
            sums = rows.sum(axis=1, dtype=np.int64)
            return integers.mean(sums, rows.shape[1], x, y, plan.rounding)
        case "concatenate":
            count = len(values)
            parts = [
                found[number] if part.values is None else np.stack([part.values] * count)
                for number, part in zip(step.inputs, (x, *others), strict=True)
            ]
            return np.concatenate(parts, axis=1 + step.parameters[0])
        case "pad":
            before = step.parameters[: len(x.dims)]
            padded = np.full((len(values), *y.dims), x.zero_point, x.dtype)
            inner = (slice(b, b + size) for b, size in zip(before, x.dims, strict=True))
            padded[(slice(None), *inner)] = values
            return padded
        case "transpose":
            axes = step.parameters[: len(x.dims)]
            return values.transpose(0, *(1 + axis for axis in axes))
    return _pairwise(plan, step, found)


def _pairwise(plan: Plan, step: Step, found: dict[int, Array]) -> Array:
    """Compute `mul`, `add` or `sub`."""
    x, other = (plan.tensors[number] for number in step.inputs)
    y = plan.tensors[step.output]
    values = found[step.inputs[0]]
    flat = values.reshape(len(values), -1)
    constant = other.values
    second = found[step.inputs[1]] if constant is None else constant.reshape(1, -1)
    if constant is not None:
        second = np.tile(second, flat.shape[1] // second.shape[1])
    second = second.reshape(-1, flat.shape[1])
    if x.dtype == np.int8:
        pair = flat.astype(np.int64) - x.zero_point, second.astype(int) - other.zero_point
        scales = (x.scale, other.scale, y.scale)
        if step.operator == "mul":
            steps = integers.pair_product(*pair, *scales, plan.rounding)
        else:
            sign = -1 if step.operator == "sub" else 1
            steps = integers.pair_sum(*pair, sign, scales, plan.rounding)
        return integers.clamped(steps + y.zero_point, y, step.activation, plan.rounding)
    combine = {"mul": np.multiply, "add": np.add, "sub": np.subtract}[step.operator]
    return floats.activated(combine(flat, second), step.activation)
