"""Plans read from their files, which the native engine has checked before."""

from __future__ import annotations

import math
import struct
from typing import Any, Final

import numpy as np

from strop.bundle.manifest import ROUNDINGS
from strop_export.formats.plan import (
    ACTIVATIONS,
    DTYPES,
    HEADER,
    NONE,
    OPERATORS,
    STEP,
    TENSOR,
    Plan,
    Step,
    Tensor,
    Window,
)

_DTYPES: Final = {number: name for name, number in DTYPES.items()}
_OPERATORS: Final = {number: name for name, number in OPERATORS.items()}
_ACTIVATIONS: Final = {number: name for name, number in ACTIVATIONS.items()}
_WINDOWED: Final = ("conv_2d", "depthwise_conv_2d", "max_pool_2d", "average_pool_2d")


def read_plan(data: bytes) -> Plan:
    """Read a plan that `Plan.to_bytes` wrote; one that never rounds has the rounding `reference`.

    Args:
        data: the file's bytes, valid as docs/plan-format.md says.
    """
    _, _, rounding, *counts, _, steps_at, borders_at, data_at, _ = HEADER.unpack_from(data)
    inputs, outputs = counts[2:4]
    values = data[data_at:]
    tensors = [_tensor(each, values) for each in TENSOR.iter_unpack(data[HEADER.size : steps_at])]
    steps = [_step(each, tensors) for each in STEP.iter_unpack(data[steps_at:borders_at])]
    borders = np.frombuffer(data, "<u4", inputs + outputs, borders_at).tolist()
    return Plan(tensors, steps, borders[:inputs], borders[inputs:], ROUNDINGS[rounding])


def _tensor(record: tuple[Any, ...], data: bytes) -> Tensor:
    number, rank, *rest = record
    dims, (scale, zero_point, values_at, scales_at, name_at, _) = tuple(rest[:rank]), rest[6:]
    dtype = _DTYPES[number]
    values = scales = None
    if values_at != NONE:
        kind = np.dtype(dtype).newbyteorder("<")
        values = np.frombuffer(data, kind, math.prod(dims), values_at).reshape(dims)
    if scales_at != NONE:
        scales = np.frombuffer(data, "<f4", dims[0], scales_at)
    name = ""
    if name_at != NONE:
        (size,) = struct.unpack_from("<H", data, name_at)
        name = data[name_at + 2 : name_at + 2 + size].decode()
    return Tensor(dtype, dims, scale, zero_point, values, scales, name)


def _step(record: tuple[Any, ...], tensors: list[Tensor]) -> Step:
    number, *inputs, output, activation, parameters = record
    operator = _OPERATORS[number]
    read = tuple(index for index in inputs if index != NONE)
    window, axes, beta = None, (), 0.0
    if operator in _WINDOWED:
        pairs = zip(parameters[::2], parameters[1::2], strict=True)
        window = Window(*pairs)
    elif operator == "softmax":
        (beta,) = struct.unpack_from("<f", parameters)
    else:
        rank = len(tensors[read[0]].dims)
        counts = {"mean": 2, "concatenate": 1, "pad": rank, "transpose": rank}
        axes = tuple(parameters[: counts.get(operator, 0)])
    return Step(operator, read, output, _ACTIVATIONS[activation], beta, window, axes)
