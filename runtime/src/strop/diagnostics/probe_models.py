"""A one-layer model whose answer is known, in every format an engine here opens.

`strop doctor` runs it to see an engine work where no bundle is at hand. The writers are the few
lines of each format that one dense layer takes: no library is needed, and no binary is kept.
Weights and inputs are small integers, so the answer is exact in float32 (and even in float16),
whatever the order in which an engine adds up.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import FileTensor, Golden, Variant

Floats = NDArray[np.float32]

INPUTS, OUTPUTS = 16, 8

# No two columns of the kernel are alike, and it is not its own transpose.
_KERNEL = [[(3 * i + 5 * j + i * j) % 11 - 5 for j in range(OUTPUTS)] for i in range(INPUTS)]
_BIAS = [2 * j - 7 for j in range(OUTPUTS)]
_SAMPLE = [(4 * i) % 9 - 4 for i in range(INPUTS)]

KERNEL: Floats = np.array(_KERNEL, np.float32)  # (16, 8)
BIAS: Floats = np.array(_BIAS, np.float32)  # (8,)
SAMPLE: Floats = np.array([_SAMPLE], np.float32)  # (1, 16)

# In Python's integers: not by any engine's arithmetic, numpy's included.
_ANSWER = [
    bias + sum(x * weight for x, weight in zip(_SAMPLE, column, strict=True))
    for bias, column in zip(_BIAS, zip(*_KERNEL, strict=True), strict=True)
]
ANSWER: Floats = np.array([_ANSWER], np.float32)  # (1, 8)


def model(format: str) -> tuple[bytes, Variant]:
    """The model as a file of that format ("tflite", "onnx" or "weights"), and what it holds."""
    data = {"tflite": tflite, "onnx": onnx, "weights": weights}[format]()
    unsigned = ("", "", 0)  # an engine looks at no digest
    variant = Variant(
        *unsigned,
        format=format,
        precision="float32",
        devices=("cpu", "gpu"),
        inputs=(FileTensor("input", SAMPLE.shape, "float32"),),
        outputs=(FileTensor("output", ANSWER.shape, "float32"),),
        requires={},
        golden=Golden(*unsigned, tolerance=0),
        proofs=(),
    )
    return data, variant


def weights() -> bytes:
    """The reference engine's arrays (docs/bundle-format.md)."""
    content = io.BytesIO()
    np.savez(
        content,
        scale=np.float32(1),
        offset=np.float32(0),
        kernel_0=KERNEL,
        bias_0=BIAS,
        activations=np.array(["linear"]),
    )
    return content.getvalue()


def onnx() -> bytes:
    """output = Gemm(input, kernel, bias), in protobuf; field numbers of onnx.proto (IR 7)."""
    node = b"".join(
        (
            *(_field(1, name) for name in ("input", "kernel", "bias")),
            _field(2, "output"),
            _field(4, "Gemm"),
        )
    )
    graph = b"".join(
        (
            _field(1, node),
            _field(2, "probe"),
            _field(5, _tensor("kernel", KERNEL)),
            _field(5, _tensor("bias", BIAS)),
            _field(11, _value("input", SAMPLE.shape)),
            _field(12, _value("output", ANSWER.shape)),
        )
    )
    opset = _field(1, "") + _field(2, 13)  # the default domain's
    return _field(1, 7) + _field(7, graph) + _field(8, opset)


_ONNX_FLOAT = 1


def _tensor(name: str, array: Floats) -> bytes:
    dims = b"".join(_field(1, size) for size in array.shape)
    return dims + _field(2, _ONNX_FLOAT) + _field(8, name) + _field(9, _little_endian(array))


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    """A tensor's type: float32, any batch."""
    dims = _field(1, _field(2, "batch"))
    dims += b"".join(_field(1, _field(1, size)) for size in shape[1:])
    return _field(1, name) + _field(2, _field(1, _field(1, _ONNX_FLOAT) + _field(2, dims)))


def _field(number: int, value: int | str | bytes) -> bytes:
    """A field on protobuf's wire: its number and kind, then a varint, or a length and bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode("ascii") if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])


def tflite() -> bytes:
    """output = FULLY_CONNECTED(input, kernel, bias), field numbers of schema.fbs, version 3.

    A type left out is FLOAT32, an activation left out NONE, and buffer 0 is the empty one.
    """
    tensors = [
        {0: SAMPLE.shape, 2: 0, 3: "input"},
        {0: KERNEL.T.shape, 2: 1, 3: "kernel"},  # (outputs, inputs) in this format
        {0: BIAS.shape, 2: 2, 3: "bias"},
        {0: ANSWER.shape, 2: 0, 3: "output"},
    ]
    fully_connected, its_options = 9, 8  # of BuiltinOperator and BuiltinOptions
    operator = {0: 0, 1: (0, 1, 2), 2: (3,), 3: its_options, 4: {}}
    graph = {0: tensors, 1: (0,), 2: (3,), 3: [operator], 4: "probe"}
    buffers = [{}, {0: _little_endian(KERNEL.T)}, {0: _little_endian(BIAS)}]
    # The operator's number stands twice: where old readers look, and where new ones do.
    code = {0: fully_connected, 2: 1, 3: fully_connected}
    writer = _FlatBuffer(b"TFL3")
    return writer.finish({0: 3, 1: [code], 2: [graph], 3: "probe", 4: buffers})


class _FlatBuffer:
    """Writes a FlatBuffer front to back: whoever refers stands before what it refers to.

    A table is a dict of field number to value: an int (a scalar of up to four bytes, each in four
    of its own), a str, bytes (a vector of bytes, 16-aligned as schema.fbs wants buffers), a tuple
    (a vector of int32), a dict (a table) or a list (a vector of tables).
    """

    def __init__(self, identifier: bytes) -> None:
        self._data = bytearray(4) + identifier

    def finish(self, root: dict[int, Any]) -> bytes:
        self._refer(0, root)
        return bytes(self._data)

    def _refer(self, place: int, value: Any) -> None:
        """Append a value, and put the distance to it into the four bytes at a place."""
        if isinstance(value, dict):
            position = self._table(value)
        elif isinstance(value, list):
            position = self._vector(len(value), bytes(4 * len(value)))
            for i, item in enumerate(value):
                self._refer(position + 4 + 4 * i, item)
        elif isinstance(value, tuple):
            position = self._vector(len(value), struct.pack(f"<{len(value)}i", *value))
        elif isinstance(value, str):
            position = self._vector(len(value), value.encode("ascii") + b"\0")
        else:
            position = self._vector(len(value), value, align=16)
        struct.pack_into("<I", self._data, place, position - place)

    def _vector(self, count: int, content: bytes, align: int = 4) -> int:
        self._pad(4, align)
        position = len(self._data)
        self._data += struct.pack("<I", count) + content
        return position

    def _table(self, fields: dict[int, Any]) -> int:
        """A vtable (sizes, and where each field is), then the table: the way back, the fields."""
        slots = max(fields, default=-1) + 1
        self._pad(4 + 2 * slots, 4)
        vtable = len(self._data)
        places = {number: 4 + 4 * i for i, number in enumerate(fields)}
        sizes = (4 + 2 * slots, 4 + 4 * len(fields))
        offsets = (places.get(number, 0) for number in range(slots))
        self._data += struct.pack(f"<{2 + slots}H", *sizes, *offsets)
        table = len(self._data)
        self._data += struct.pack("<i", table - vtable) + bytes(4 * len(fields))
        for number, value in fields.items():
            if isinstance(value, int):
                struct.pack_into("<i", self._data, table + places[number], value)
            else:
                self._refer(table + places[number], value)
        return table

    def _pad(self, ahead: int, align: int) -> None:
        """Append zeros until what comes after `ahead` more bytes is aligned."""
        self._data += bytes(-(len(self._data) + ahead) % align)


def _little_endian(array: Floats) -> bytes:
    return array.astype("<f4").tobytes()
