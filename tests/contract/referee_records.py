"""The records of docs/plan-format.md: the reader of the referee."""

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
    *("softmax", "reshape", "mul", "add", "sub", "lookup", "conv_2d", "depthwise_conv_2d"),
    *("max_pool_2d", "average_pool_2d", "mean", "concatenate", "pad", "transpose"),
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
