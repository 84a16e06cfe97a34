"""Tensors of the Open Inference Protocol: their datatypes, and their data as JSON or as bytes.

Source: the protocol's specification, "Tensor Data", and the extension for binary tensor data.
"""

from __future__ import annotations

import math
from array import array
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, OutputSpec
from strop.errors import InputError

DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float32": "FP32",
}

# By the kind of a dtype: what JSON must hold for it, in words and as Python has it.
_TAKEN: dict[str, tuple[str, set[type]]] = {
    "b": ("true and false", {bool}),
    "f": ("numbers", {int, float}),
    "i": ("whole numbers", {int}),
    "u": ("whole numbers", {int}),
}
_WORDS = {
    bool: "true and false",
    dict: "objects",
    float: "fractions",
    int: "numbers",
    list: "lists",
    str: "texts",
    type(None): "null",
}


def described(spec: InputSpec | OutputSpec) -> dict[str, Any]:
    """Describe an input or output as the protocol does; -1 is any size."""
    shape = [-1 if size is None else size for size in spec.shape]
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": shape}


def require_shape(shape: Any, spec: InputSpec) -> tuple[int, ...]:
    """Require a shape that the input takes, with at least one sample.

    Returns:
        The shape, (N, ...).

    Raises:
        InputError: it is not a list of sizes, or another shape.
    """
    wanted = described(spec)["shape"]
    sizes = shape if isinstance(shape, list) and len(shape) == len(wanted) else ()
    fits = all(
        type(size) is int and size > 0 and want in (-1, size)
        for size, want in zip(sizes, wanted, strict=False)
    )
    if not sizes or not fits:
        raise InputError(f"input {spec.name!r} has the shape {shape!r}", f"give it as {wanted}")
    return tuple(sizes)


def from_json(data: Any, shape: tuple[int, ...], spec: InputSpec) -> NDArray[Any]:
    """Make a tensor of JSON numbers, flat or nested as the shape is.

    Args:
        data: a list, as the JSON has it.
        shape: (N, ...), as `require_shape` returns it.
        spec: the input, which gives the dtype.

    Raises:
        InputError: the numbers have another count or nesting, or do not fit into the dtype.
    """
    who = f"input {spec.name!r}"
    if not isinstance(data, list):
        raise InputError(f"{who}: `data` must be a list of numbers, got {type(data).__name__}")
    numbers = _flattened(data, shape) if data and type(data[0]) is list else data
    if numbers is None or len(numbers) != math.prod(shape):
        raise InputError(
            f"{who}: `data` must have {math.prod(shape)} numbers, flat or nested as {[*shape]}"
        )
    dtype = np.dtype(spec.dtype)
    wanted, types = _TAKEN[dtype.kind]
    if others := {*map(type, numbers)} - types:
        found = ", ".join(sorted(_WORDS[kind] for kind in others))
        raise InputError(f"{who}: `data` must be {wanted} for {DATATYPES[spec.dtype]}, got {found}")
    try:
        # Both check the range of integers; `bytes` takes a fifth of the time, and has pictures.
        packed = bytes(numbers) if dtype.char in "B?" else array(dtype.char, numbers)
    except (ValueError, OverflowError):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        raise InputError(
            f"{who}: `data` must be {low} to {high} for {DATATYPES[spec.dtype]}"
        ) from None
    return np.frombuffer(packed, dtype).reshape(shape)


def _flattened(data: list[Any], shape: tuple[int, ...]) -> list[Any] | None:
    """Return the items of lists that are nested as a shape is, or None."""
    level = [data]
    for size in shape:
        if any(type(part) is not list or len(part) != size for part in level):
            return None
        level = [*chain.from_iterable(level)]
    return level


def from_bytes(data: memoryview, shape: tuple[int, ...], spec: InputSpec) -> NDArray[Any]:
    """Make a tensor of bytes, little-endian and row by row, without a copy.

    Raises:
        InputError: the bytes have another count, or those of a BOOL are not 0 or 1.
    """
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if len(data) != size:
        raise InputError(
            f"input {spec.name!r} has {len(data)} bytes, and {[*shape]} of "
            f"{DATATYPES[spec.dtype]} is {size}"
        )
    if dtype.kind == "b":
        numbers = np.frombuffer(data, np.uint8)
        if numbers.max() > 1:
            raise InputError(f"input {spec.name!r}: the bytes of a BOOL must be 0 or 1")
        return numbers.view(np.bool_).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def to_bytes(array: NDArray[Any]) -> bytes:
    """Return a tensor's bytes, little-endian and row by row."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def to_json(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return a tensor's values, flat: orjson writes them, each float32 as its shortest decimal.

    Raises:
        InputError: some are infinite, which JSON cannot hold.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"output {name!r} is infinite for these inputs, which JSON cannot hold",
            "ask for it with `binary_data`",
        )
    return array.ravel()
