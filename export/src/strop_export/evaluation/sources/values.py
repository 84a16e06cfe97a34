"""Columns of Arrow as arrays, at once where all rows are good, else by halves down to the bad."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

Shape = tuple[int, ...]


class Unfit(Exception):
    """A row, or one among several, is not good; or a column is of a type that is not taken."""


class Values(NamedTuple):
    """A column's rows: (n, ...), which mean nothing where a row is bad; and why each bad one is."""

    array: NDArray[Any]
    bad: Mapping[int, str]


def by_halves(
    count: int, convert: Callable[[int, int], NDArray[Any]], shape: Shape, dtype: Any
) -> Values:
    """Convert rows at once; if one is bad, each half by itself, and so on.

    Args:
        count: the number of rows.
        convert: returns the rows from one number to another, (n, *shape), or raises Unfit.
        shape: of one row.
        dtype: of the array.
    """
    try:
        return Values(convert(0, count), {})
    except Unfit as error:
        if count <= 1:
            return Values(np.zeros((count, *shape), dtype), dict.fromkeys(range(count), str(error)))
    array = np.zeros((count, *shape), dtype)
    bad: dict[int, str] = {}
    waiting = [(count // 2, count), (0, count // 2)]
    while waiting:
        start, stop = waiting.pop()
        try:
            array[start:stop] = convert(start, stop)
        except Unfit as error:
            if stop - start == 1:
                bad[start] = str(error)
            else:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
    return Values(array, bad)


def one_by_one(
    count: int, convert: Callable[[int], NDArray[Any]], shape: Shape, dtype: Any
) -> Values:
    """Convert rows one after the other; `convert` returns one, (*shape), or raises Unfit."""
    array = np.zeros((count, *shape), dtype)
    bad: dict[int, str] = {}
    for row in range(count):
        try:
            array[row] = convert(row)
        except Unfit as error:
            bad[row] = str(error)
    return Values(array, bad)


def simple_type(kind: Any) -> Any:
    """Return the type that a column is read as: without dictionaries, views and extensions."""
    if types.is_dictionary(kind):
        return simple_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.FixedShapeTensorType):
        return simple_type(kind.storage_type)
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_string_view(kind):
        return pa.large_string()
    return kind


def simple(column: Any) -> Any:
    """Return a column as an array of `simple_type`."""
    if types.is_dictionary(column.type):
        return simple(column.dictionary_decode())
    kind = simple_type(column.type)
    if isinstance(column.type, pa.BaseExtensionType) and kind != column.type:
        return simple(column.storage)
    return column if kind == column.type else column.cast(kind)


def is_bytes(kind: Any) -> bool:
    """Tell whether a type is bytes."""
    return bool(
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )


def is_list(kind: Any) -> bool:
    """Tell whether a type is lists."""
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_number(kind: Any) -> bool:
    """Tell whether a type is numbers, or true and false."""
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def sizes_of(kind: Any, shape: Shape) -> Shape:
    """Return the length that the lists of a type must have at each depth to give a shape.

    Lists of one depth hold all values in C order; deeper ones have an axis of the shape each, where
    axes of size one may be missing.

    Raises:
        Unfit: the type is not numbers, or lists of them, that can have the shape.
    """
    found: list[int | None] = []  # the length at each depth where the type says it
    leaf = kind
    if isinstance(kind, pa.FixedShapeTensorType):
        found += [kind.shape[axis] for axis in kind.permutation or range(len(kind.shape))]
        leaf = kind.value_type
    while is_list(leaf):
        found.append(leaf.list_size if types.is_fixed_size_list(leaf) else None)
        leaf = leaf.value_type
    if not is_number(leaf):
        raise Unfit(f"it is {kind}, not numbers")
    whole = math.prod(shape)
    ways: list[Shape] = [(whole,), shape, tuple(size for size in shape if size != 1)]
    if whole == 1:
        ways.append(())
    for way in ways:
        if len(way) == len(found) and all(a in (None, b) for a, b in zip(found, way, strict=True)):
            return way
    raise Unfit(f"it is {kind}, which cannot have the shape {shape}")


def numbers(column: Any, shape: Shape) -> NDArray[Any]:
    """Return the numbers of a column as an array (n, *shape) of their own dtype.

    A view of Arrow's memory where its numbers are of NumPy's form, which all but truth values are.

    Raises:
        Unfit: a row is null or holds a null, or its lists have other lengths.
    """
    count = len(column)
    if isinstance(column.type, pa.FixedShapeTensorType):
        return _tensors(column, shape)
    for size in sizes_of(column.type, shape):
        column = unpacked(column, size)
    if column.null_count:
        raise Unfit("it is null, or holds a null")
    return view(column).reshape(count, *shape)


def view(column: Any) -> NDArray[Any]:
    """Return a column of numbers without nulls as an array, (n,): a view, but of truth values.

    `to_numpy` would import pandas where it is installed, for a second.
    """
    if types.is_boolean(column.type):
        return view(column.cast(pa.uint8())).astype(bool)
    dtype = np.dtype(column.type.to_pandas_dtype())
    _, content = column.buffers()
    return np.frombuffer(content or b"", dtype, len(column), column.offset * dtype.itemsize)


def lengths_of(column: Any) -> NDArray[Any]:
    """Return the length of each list of a column without nulls."""
    if types.is_fixed_size_list(column.type):
        return np.full(len(column), column.type.list_size)
    return np.diff(view(column.offsets))


def of_bytes(items: Sequence[bytes]) -> Any:
    """Make a column of large binary; `pyarrow.array` would import pandas."""
    offsets = np.cumsum([0, *map(len, items)], dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(items))]
    return pa.Array.from_buffers(pa.large_binary(), len(items), buffers)


def unpacked(column: Any, size: int) -> Any:
    """Return the values of a column of lists, all of one size.

    Raises:
        Unfit: a row is null, or of another size.
    """
    if column.null_count:
        raise Unfit("it is null")
    lengths = lengths_of(column)
    if (lengths != size).any():
        raise Unfit(f"it holds {lengths[lengths != size][0]} values, not {size}")
    return column.flatten()


def _tensors(column: Any, shape: Shape) -> NDArray[Any]:
    kind = column.type
    sizes_of(kind, shape)
    flat = numbers(column.storage, (math.prod(shape),)).reshape(-1, *kind.shape)
    placed = flat.transpose(0, *(axis + 1 for axis in kind.permutation or range(len(kind.shape))))
    return np.ascontiguousarray(placed).reshape(-1, *shape)


def fitted(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert numbers to a dtype that holds each of them.

    Raises:
        Unfit: a number is out of the dtype's range, not whole, NaN or infinite.
    """
    found = array.dtype
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # a value that does not fit becomes infinite
            made = array.astype(dtype, copy=False)
        if found.kind == "f" and not np.isfinite(made).all():
            raise Unfit(f"it holds NaN, infinity or more than {dtype} can hold")
        return made
    if found == dtype or found.kind == "b" or not array.size:
        return array.astype(dtype, copy=False)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if found.kind == "f" and not (np.isfinite(array) & (array == np.rint(array))).all():
        raise Unfit("it holds numbers that are not whole")
    least, most = array.min().item(), array.max().item()
    if least < low or most > high:
        raise Unfit(f"it holds {least if least < low else most}, and takes {low} to {high}")
    return array.astype(dtype)


def raw(column: Any, shape: Shape, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a view of a column's bytes as samples of this shape and dtype, little endian.

    Raises:
        Unfit: a row is null, of another length, or holds values that the dtype does not.
    """
    if column.null_count:
        raise Unfit("it is null")
    count, size = len(column), math.prod(shape) * dtype.itemsize
    if types.is_fixed_size_binary(column.type):
        if column.type.byte_width != size:
            raise Unfit(f"it has {column.type.byte_width} bytes, not {size}")
        first, content = column.offset * size, column.buffers()[1]
    else:
        _, places, content = column.buffers()
        wide = np.int64 if types.is_large_binary(column.type) else np.int32
        offsets = np.frombuffer(places, wide, count + 1, column.offset * np.dtype(wide).itemsize)
        lengths = np.diff(offsets)
        if (lengths != size).any():
            raise Unfit(f"it has {lengths[lengths != size][0]} bytes, not {size}")
        first = int(offsets[0])
    stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("<")
    flat = np.frombuffer(content, stored, count * math.prod(shape), first)
    array = np.require(flat, requirements="A").reshape(count, *shape)  # Arrow aligns no bytes
    return fitted(array, dtype) if dtype.kind in "fb" else array.astype(dtype, copy=False)
