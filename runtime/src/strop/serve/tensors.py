"""Tensors of the Open Inference Protocol: their datatypes, and their data as JSON or as bytes.

Source: the protocol's specification, "Tensor Data", and the extension for binary tensor data.
"""

from __future__ import annotations

import math
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
        data: a list, as `json.loads` gives it.
        shape: (N, ...), as `require_shape` returns it.
        spec: the input, which gives the dtype.

    Raises:
        InputError: the numbers have another count or nesting, or do not fit into the dtype.
    """
    who = f"input {spec.name!r}"
    if not isinstance(data, list):
        raise InputError(f"{who}: `data` must be a list of numbers, got {type(data).__name__}")
    try:
        given = np.array(data)
    except (ValueError, OverflowError):  # ragged, or too deep
        raise InputError(f"{who}: `data` is not flat and not of shape {[*shape]}") from None
    if given.shape not in (shape, (math.prod(shape),)):
        raise InputError(f"{who}: `data` has the shape {[*given.shape]}", f"give it as {[*shape]}")
    dtype = np.dtype(spec.dtype)
    allowed = {"b": "b", "f": "iuf"}.get(dtype.kind, "iu")
    if given.dtype.kind not in allowed:
        found = {"b": "true and false", "f": "fractions", "U": "texts"}.get(
            given.dtype.kind, "others"
        )
        kinds = {"b": "true and false", "f": "numbers"}.get(dtype.kind, "whole numbers")
        raise InputError(f"{who}: `data` must be {kinds} for {DATATYPES[spec.dtype]}, got {found}")
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if given.min() < low or given.max() > high:
            raise InputError(f"{who}: `data` must be {low} to {high} for {DATATYPES[spec.dtype]}")
    with np.errstate(over="ignore"):  # the model refuses what becomes infinite
        return given.astype(dtype).reshape(shape)


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


def to_json(array: NDArray[Any], name: str) -> list[Any]:
    """Return a tensor's values as a flat list of JSON numbers.

    Raises:
        InputError: some are infinite, which JSON cannot hold.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"output {name!r} is infinite for these inputs, which JSON cannot hold",
            "ask for it with `binary_data`",
        )
    values: list[Any] = array.ravel().tolist()
    return values
