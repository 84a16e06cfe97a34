"""A reader of plans in NumPy, written from docs/plan-format.md alone: the referee of the format."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # an NDArray of any dtype, whose arithmetic NumPy types as Any
f32 = np.float32

NONE = 0xFFFFFFFF
DTYPES = ("<f4", "i1", "u1", "<i4")
OPERATORS = (
    *("quantize", "dequantize", "fully_connected", "relu", "relu6", "sigmoid", "tanh"),
    *("softmax", "reshape", "mul", "add", "sub", "lookup"),
)


@dataclass(frozen=True)
class Tensor:
    dtype: np.dtype[Any]
    dims: tuple[int, ...]
    scale: np.float32
    zero_point: int
    values: Array | None
    scales: Array | None  # one for each output, or None: `scale` holds for all
    name: str | None


@dataclass(frozen=True)
class Step:
    operator: str
    inputs: tuple[int, ...]
    output: int
    activation: int
    parameters: bytes


@dataclass(frozen=True)
class Plan:
    rounding: int
    tensors: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(file: bytes) -> Plan:
    signature, version, rounding, *numbers = struct.unpack_from("<8s11I", file)
    assert (signature, version) == (b"STROPLAN", 1)
    tensors, steps, inputs, outputs, tensors_at, steps_at, borders_at, data_at, size = numbers
    data = file[data_at:]
    assert len(data) == size
    borders = struct.unpack_from(f"<{inputs + outputs}I", file, borders_at)
    return Plan(
        rounding,
        tuple(_tensor(file[tensors_at + 56 * i :], data) for i in range(tensors)),
        tuple(_step(file[steps_at + 32 * i :]) for i in range(steps)),
        borders[:inputs],
        borders[inputs:],
    )


def _tensor(record: bytes, data: bytes) -> Tensor:
    dtype, rank, *axes = struct.unpack_from("<8I", record)
    scale, zero_point, values_at, scales_at, name_at, zero = struct.unpack_from("<fi4I", record, 32)
    dims = tuple(axes[:rank])
    assert not any([*axes[rank:], zero])
    own = np.dtype(DTYPES[dtype])
    values = scales = name = None
    if values_at != NONE:
        values = np.frombuffer(data, own, math.prod(dims), values_at).reshape(dims)
    if scales_at != NONE:
        scales = np.frombuffer(data, "<f4", dims[0], scales_at)
    if name_at != NONE:
        (length,) = struct.unpack_from("<H", data, name_at)
        name = data[name_at + 2 : name_at + 2 + length].decode("utf-8")
    return Tensor(own, dims, f32(scale), zero_point, values, scales, name)


def _step(record: bytes) -> Step:
    operator, *inputs, output, activation = struct.unpack_from("<6I", record)
    used = tuple(number for number in inputs if number != NONE)
    return Step(OPERATORS[operator - 1], used, output, activation, record[24:32])


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
            return _quantize(values, y, plan.rounding)
        case "quantize":
            return np.clip(values.astype(int) - x.zero_point + y.zero_point, -128, 127).astype("i1")
        case "lookup":
            assert others[0].values is not None
            return others[0].values[values.astype(int) - np.iinfo(x.dtype).min]
        case "relu" | "relu6":
            return _activated(values, 1 if step.operator == "relu" else 2)
        case "sigmoid":
            return f32(1) / (f32(1) + exp(-values))
        case "tanh":
            return _tanh(values)
        case "softmax":
            return _softmax(values, f32(struct.unpack_from("<f", step.parameters)[0]))
        case "fully_connected":
            weights, *biases = others
            rows = values.reshape(-1, weights.dims[1])
            bias = biases[0].values if biases else None
            if x.dtype == f32:
                return _activated(_float_sums(rows, weights.values, bias), step.activation)
            assert weights.values is not None
            sums = _integer_sums(rows, x.zero_point, weights.values, bias)
            scales = weights.scale if weights.scales is None else weights.scales
            requantize = (_reference, _float)[plan.rounding]
            limits = _limits(y, step.activation, plan.rounding)
            steps = requantize(sums, x.scale, scales, y.scale) + y.zero_point
            return np.clip(steps, *limits).astype(np.int8)
    flat = values.reshape(len(values), -1)
    constant = others[0].values
    second = found[step.inputs[1]] if constant is None else constant.reshape(1, -1)
    if constant is not None:
        second = np.tile(second, flat.shape[1] // second.shape[1])
    second = second.reshape(-1, flat.shape[1])
    if x.dtype == np.int8:
        pair = flat.astype(np.int64) - x.zero_point, second.astype(int) - others[0].zero_point
        scales = (x.scale, others[0].scale, y.scale)
        if step.operator == "mul":
            steps = _product(*pair, *scales, plan.rounding)
        else:
            steps = _sum(*pair, -1 if step.operator == "sub" else 1, scales, plan.rounding)
        limits = _limits(y, step.activation, plan.rounding)
        return np.clip(steps + y.zero_point, *limits).astype(np.int8)
    combine = {"mul": np.multiply, "add": np.add, "sub": np.subtract}[step.operator]
    return _activated(combine(flat, second), step.activation)


def _product(
    x: Array, w: Array, s_x: np.float32, s_w: np.float32, s_y: np.float32, rounding: int
) -> Array:
    factor = (s_x * s_w) / s_y
    if rounding:
        return np.rint((x * w).astype(f32) * factor).astype(np.int64)
    return _multiplied(x * w, factor)


def _sum(x: Array, w: Array, sign: int, scales: tuple[np.float32, ...], rounding: int) -> Array:
    s_x, s_w, s_y = scales
    if rounding:
        ratios = np.array([s_x / s_y, s_w / s_y], f32)
        shift = 21 - int(np.frexp(ratios.max())[1])
        a, b = np.rint(ratios * f32(2.0**shift)).astype(np.int64)
        return (x * a + sign * w * b + (1 << (shift - 1))) >> shift
    largest = 2 * float(max(s_x, s_w))
    first = _multiplied(x << 20, float(s_x) / largest)
    second = _multiplied(w << 20, float(s_w) / largest)
    return _multiplied(first + sign * second, largest / (2.0**20 * float(s_y)))


def _integer_sums(rows: Array, zero_point: int, weights: Array, bias: Array | None) -> Array:
    # float64 holds every sum exactly, and multiplies faster than integers.
    sums = (rows.astype(float) - zero_point) @ weights.T.astype(float)
    return sums.astype(np.int64) + (0 if bias is None else bias)


def _reference(sums: Array, x: np.float32, w: Any, y: np.float32) -> Array:
    product = np.float64(x) * np.asarray(w, float) if np.ndim(w) else np.float64(x * w)
    return _multiplied(sums, product / np.float64(y))


def _multiplied(sums: Array, factor: Any) -> Array:
    q, e = np.frexp(np.float64(factor))
    multiplier, e = np.floor(q * 2.0**31 + 0.5).astype(np.int64), e.astype(np.int64)
    full = multiplier == 2**31
    multiplier, e = np.where(full, 2**30, multiplier), np.where(full, e + 1, e)
    multiplier, e = np.where(e < -31, 0, multiplier), np.where(e < -31, 0, e)
    assert (e <= 0).all()
    high = (sums * multiplier + 2**30) >> 31
    half = (np.int64(1) << -e) >> 1
    return np.sign(high) * ((np.abs(high) + half) >> -e)


def _float(sums: Array, x: np.float32, w: Any, y: np.float32) -> Array:
    factor = (x * w) / y
    return np.rint(sums.astype(f32) * factor).astype(np.int64)


def _limits(y: Tensor, activation: int, rounding: int) -> tuple[int, int]:
    if activation == 0:
        return -128, 127
    if activation == 1:
        return y.zero_point, 127
    six = f32(6) / y.scale
    high = np.rint(six + f32(y.zero_point)) if rounding else y.zero_point + np.floor(six + 0.5)
    return y.zero_point, int(min(127, high))


def _quantize(values: Array, y: Tensor, rounding: int) -> Array:
    if rounding:
        steps = np.rint(values * (f32(1) / y.scale)).astype(float)
    else:
        quotient = (values / y.scale).astype(float)
        steps = np.sign(quotient) * np.floor(np.abs(quotient) + 0.5)
    steps = np.where(np.isnan(steps), 0, steps) + y.zero_point
    return np.clip(steps, -128, 127).astype(np.int8)


def _float_sums(rows: Array, weights: Array | None, bias: Array | None) -> Array:
    assert weights is not None
    partial = np.zeros((4, len(rows), len(weights)), f32)
    for k in range(weights.shape[1]):
        partial[k % 4] += rows[:, k, np.newaxis] * weights[:, k]
    sums = (partial[0] + partial[1]) + (partial[2] + partial[3])
    return sums if bias is None else sums + bias


def _activated(values: Array, activation: int) -> Array:
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


def _tanh(x: Array) -> Array:
    a = np.abs(x)
    z, p = a * a, f32(-5.70498872745e-3)
    for c in (2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1):
        p = p * z + f32(c)
    far = f32(1) - f32(2) / (exp(f32(2) * a) + f32(1))
    return np.copysign(np.where(a < f32(0.625), (p * z) * a + a, far), x)


def _softmax(x: Array, beta: np.float32) -> Array:
    v = beta * x
    m = v[..., 0]
    for i in range(1, v.shape[-1]):
        m = np.where(v[..., i] > m, v[..., i], m)
    t = exp(v - m[..., np.newaxis])
    total = t[..., 0]
    for i in range(1, t.shape[-1]):
        total = total + t[..., i]
    return t / total[..., np.newaxis]
