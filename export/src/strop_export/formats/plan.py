"""Plans: neural networks as data; docs/plan-format.md describes the file to the byte."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import ROUNDINGS
from strop_export.errors import ConversionError

MAX_RANK: Final = 6
MAX_VALUES: Final = 2**24  # of a tensor
MAX_RECORDS: Final = 1024  # tensors, and steps
MAX_BYTES: Final = 2**31 - 1
MAX_PARAMETER: Final = 255  # of a window or an axis
MAX_WORK: Final = 2**32  # products of layers and values of other steps, for one sample

_VERSION: Final = 1
NONE: Final = 0xFFFFFFFF
_ALIGNMENT: Final = 64
HEADER: Final = struct.Struct("<8s11I12x")
TENSOR: Final = struct.Struct("<8Ifi4I")
STEP: Final = struct.Struct("<6I8s")

DTYPES: Final[Mapping[str, int]] = {"float32": 0, "int8": 1, "uint8": 2, "int32": 3}
ACTIVATIONS: Final[Mapping[str, int]] = {"none": 0, "relu": 1, "relu6": 2}
OPERATORS: Final[Mapping[str, int]] = {
    "quantize": 1,
    "dequantize": 2,
    "fully_connected": 3,
    "relu": 4,
    "relu6": 5,
    "sigmoid": 6,
    "tanh": 7,
    "softmax": 8,
    "reshape": 9,
    "mul": 10,
    "add": 11,
    "sub": 12,
    "lookup": 13,
    "conv_2d": 14,
    "depthwise_conv_2d": 15,
    "max_pool_2d": 16,
    "average_pool_2d": 17,
    "mean": 18,
    "concatenate": 19,
    "pad": 20,
    "transpose": 21,
}
CONVOLUTIONS: Final = frozenset({"conv_2d", "depthwise_conv_2d"})


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a plan.

    Attributes:
        dtype: a key of `DTYPES`.
        dims: its shape for one sample, without the batch.
        scale: of a quantized tensor, real value = scale x (stored - zero_point); 0: not quantized,
            or `scales` holds.
        zero_point: the stored value that means 0.
        values: of a constant, (*dims).
        scales: of weights with a scale for each output, float32 (dims[0],).
        name: of an input or output.
    """

    dtype: str
    dims: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0
    values: NDArray[Any] | None = None
    scales: NDArray[np.float32] | None = None
    name: str = ""


class Window(NamedTuple):
    """How the windows of a convolution or pool lie over its input: pairs of (height, width)."""

    strides: tuple[int, int]
    dilations: tuple[int, int] = (0, 0)  # of a convolution, from 1
    padding: tuple[int, int] = (0, 0)  # rows above the input, columns to its left
    size: tuple[int, int] = (0, 0)  # of a pool; that of a convolution is its weights'


class Step(NamedTuple):
    """An operator of a plan, with the numbers of the tensors that it reads and writes.

    Attributes:
        operator: a key of `OPERATORS`.
        inputs: up to three numbers.
        output: a number.
        activation: the fused one, a key of `ACTIVATIONS`.
        beta: of softmax.
        window: of convolutions and pools.
        axes: mean: the first averaged axis and their number; concatenate: the axis; pad: the values
            before each axis; transpose: x's axis for each of y's.
    """

    operator: str
    inputs: tuple[int, ...]
    output: int
    activation: str = "none"
    beta: float = 0.0
    window: Window | None = None
    axes: tuple[int, ...] = ()

    def parameters(self) -> bytes:
        """Return the 8 bytes of the record that belong to the operator."""
        if self.window is not None:
            return bytes(number for pair in self.window for number in pair)
        return bytes(self.axes) or struct.pack("<f", self.beta)


@dataclass(frozen=True, eq=False)
class Plan:
    """A plan.

    Attributes:
        tensors: all tensors, by number.
        steps: the operators, in the order of computation.
        inputs: the numbers of the inputs, in the model's order.
        outputs: the numbers of the outputs, in the model's order.
        rounding: how sums and floats become int8 values, one of `ROUNDINGS`; None if none do.
    """

    tensors: Sequence[Tensor]
    steps: Sequence[Step]
    inputs: Sequence[int]
    outputs: Sequence[int]
    rounding: str | None = None

    def to_bytes(self) -> bytes:
        """Write the file.

        Raises:
            ConversionError: the plan is larger than the format allows.
        """
        records = max(len(self.tensors), len(self.steps))
        if records > MAX_RECORDS:
            raise ConversionError(
                f"the plan would have {records:,} tensors or steps",
                f"use a smaller model: a plan has at most {MAX_RECORDS:,}",
            )
        if (work := sum(map(self._work, self.steps))) > MAX_WORK:
            raise ConversionError(
                f"the plan would compute {work:,} products and values for a sample",
                f"use a smaller model: a plan computes at most {MAX_WORK:,}",
            )
        data = _Data()
        tensors = b"".join(_tensor_record(tensor, data) for tensor in self.tensors)
        steps = b"".join(map(_step_record, self.steps))
        borders = np.array([*self.inputs, *self.outputs], "<u4").tobytes()
        steps_at = HEADER.size + len(tensors)
        borders_at = steps_at + len(steps)
        data_at = _aligned(borders_at + len(borders))
        if data_at + len(data.content) > MAX_BYTES:
            raise ConversionError(
                f"the plan would have {data_at + len(data.content):,} bytes",
                f"use a smaller model: a plan has at most {MAX_BYTES:,}",
            )
        header = HEADER.pack(
            b"STROPLAN",
            _VERSION,
            ROUNDINGS.index(self.rounding) if self.rounding else 0,
            *(len(part) for part in (self.tensors, self.steps, self.inputs, self.outputs)),
            *(HEADER.size, steps_at, borders_at, data_at),
            len(data.content),
        )
        return (header + tensors + steps + borders).ljust(data_at, b"\0") + bytes(data.content)

    def _work(self, step: Step) -> int:
        values = math.prod(self.tensors[step.inputs[0]].dims)
        results = math.prod(self.tensors[step.output].dims)
        if step.operator == "fully_connected":
            return values * self.tensors[step.inputs[1]].dims[0]
        if step.operator in ("conv_2d", "depthwise_conv_2d"):
            return results * math.prod(self.tensors[step.inputs[1]].dims[1:])
        if step.window is not None:
            return results * math.prod(step.window.size)
        return results if step.operator in ("concatenate", "pad") else values


def operators_of(plan: bytes) -> frozenset[str]:
    """List the operators in the bytes of a `Plan`."""
    _, _, _, _, count, _, _, _, steps_at, *_ = HEADER.unpack_from(plan)
    names = {number: name for name, number in OPERATORS.items()}
    records = (STEP.unpack_from(plan, steps_at + i * STEP.size) for i in range(count))
    return frozenset(names[operator] for operator, *_ in records)


class _Data:
    """The data section of a plan."""

    def __init__(self) -> None:
        self.content = bytearray()

    def add(self, payload: bytes) -> int:
        """Append bytes at the next multiple of the alignment, and return their offset."""
        start = _aligned(len(self.content))
        self.content = self.content.ljust(start, b"\0") + payload
        return start

    def add_array(self, array: NDArray[Any] | None, dtype: str) -> int:
        if array is None:
            return NONE
        return self.add(array.astype(np.dtype(dtype).newbyteorder("<"), copy=False).tobytes())

    def add_text(self, text: str) -> int:
        encoded = text.encode()
        return self.add(struct.pack("<H", len(encoded)) + encoded) if encoded else NONE


def _tensor_record(tensor: Tensor, data: _Data) -> bytes:
    return TENSOR.pack(
        DTYPES[tensor.dtype],
        len(tensor.dims),
        *tensor.dims,
        *[0] * (MAX_RANK - len(tensor.dims)),
        tensor.scale,
        tensor.zero_point,
        data.add_array(tensor.values, tensor.dtype),
        data.add_array(tensor.scales, "float32"),
        data.add_text(tensor.name),
        0,
    )


def _step_record(step: Step) -> bytes:
    return STEP.pack(
        OPERATORS[step.operator],
        *step.inputs,
        *[NONE] * (3 - len(step.inputs)),
        step.output,
        ACTIVATIONS[step.activation],
        step.parameters(),
    )


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
