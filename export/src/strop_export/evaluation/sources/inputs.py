"""Columns of Arrow as the samples of an input: numbers, raw bytes, or encoded pictures."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from strop.bundle.manifest import InputSpec
from strop.errors import InputError
from strop.model.images import read_samples
from strop_export.evaluation.sources.values import (
    Shape,
    Unfit,
    Values,
    by_halves,
    fitted,
    is_bytes,
    is_list,
    numbers,
    one_by_one,
    raw,
    simple,
    simple_type,
    sizes_of,
    unpacked,
)

_INT_TO_FLOAT = "it holds integers, and the model takes float32; write what the model was given"
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")  # PNG, JPEG, WebP


def input_shape(spec: InputSpec) -> Shape:
    """Return the shape of one sample; a manifest leaves no size of it open."""
    return tuple(size or 1 for size in spec.shape[1:])


def require_input(kinds: list[Any], spec: InputSpec) -> None:
    """Require that columns of these types can be an input.

    Raises:
        Unfit: they cannot; the text says what is taken.
    """
    shape = input_shape(spec)
    if len(kinds) > 1:
        if len(kinds) != math.prod(shape):
            raise Unfit(f"{len(kinds)} columns were given for {math.prod(shape)} values")
        for kind in kinds:
            sizes_of(simple_type(kind), (1,))
        return
    kind = simple_type(kinds[0])
    if _content_type(kind) is not None:
        _require_content(kind, spec)
        return
    sizes_of(kind, shape)
    leaf = kind
    while is_list(leaf) or isinstance(leaf, pa.FixedShapeTensorType):
        leaf = leaf.value_type
    # As Model.predict: integers in arrays are usually pixels that were not scaled.
    if spec.dtype == "float32" and not types.is_floating(leaf) and math.prod(shape) > 1:
        raise Unfit(_INT_TO_FLOAT)


def _content_type(kind: Any) -> Any:
    """Return the type of the bytes in a column, or None: bare, in a struct, one in a list."""
    if types.is_struct(kind):
        place = kind.get_field_index("bytes")
        kind = simple_type(kind.field(place).type) if place >= 0 else kind
    elif types.is_list(kind) or types.is_large_list(kind):
        kind = simple_type(kind.value_type)
    return kind if is_bytes(kind) else None


def _require_content(kind: Any, spec: InputSpec) -> None:
    content = _content_type(kind)
    if types.is_struct(kind) and spec.picture is None:
        raise Unfit("it holds pictures, and the model takes none")
    size = math.prod(input_shape(spec)) * np.dtype(spec.dtype).itemsize
    if types.is_fixed_size_binary(content) and content.byte_width != size and not spec.picture:
        raise Unfit(f"it holds {content.byte_width} bytes, and a sample has {size}")


def samples(columns: list[Any], spec: InputSpec) -> Values:
    """Convert the columns of an input to its samples.

    Args:
        columns: one column, or one for each value of a short vector.
        spec: the input.

    Returns:
        (n, *shape[1:]) of the input's dtype.
    """
    shape, dtype = input_shape(spec), np.dtype(spec.dtype)
    count = len(columns[0])
    columns = [simple(column) for column in columns]
    if len(columns) > 1:
        return by_halves(
            count,
            lambda start, stop: np.stack(
                [fitted(numbers(c[start:stop], (1,)), dtype).reshape(-1) for c in columns], axis=1
            ).reshape(-1, *shape),
            shape,
            dtype,
        )
    (column,) = columns
    if _content_type(column.type) is not None:
        return _from_content(column, spec)

    def convert(start: int, stop: int) -> NDArray[Any]:
        return fitted(numbers(column[start:stop], shape), dtype)

    return by_halves(count, convert, shape, dtype)


def _from_content(column: Any, spec: InputSpec) -> Values:
    """Take bytes as raw samples, little endian, or as pictures where the input takes any."""
    shape, dtype = input_shape(spec), np.dtype(spec.dtype)
    count = len(column)
    if types.is_struct(column.type):
        column = simple(pc.struct_field(column, "bytes"))  # null where the struct is

    def convert(start: int, stop: int) -> NDArray[Any]:
        some = column[start:stop]
        if is_list(some.type):
            some = simple(unpacked(some, 1))
        return raw(some, shape, dtype)

    if spec.picture is None:
        return by_halves(count, convert, shape, dtype)
    try:
        array = convert(0, count)
        if not any(map(_is_picture, _suspects(array))):
            return Values(array, {})
    except Unfit:
        pass

    def each(row: int) -> NDArray[Any]:
        content = column[row].as_py()
        if isinstance(content, list):
            if len(content) != 1:
                raise Unfit(f"it holds {len(content)} values, not 1")
            (content,) = content
        if content is None:
            raise Unfit("it is null, or holds a null")
        if len(content) == math.prod(shape) * dtype.itemsize and not _is_picture(content):
            sample: NDArray[Any] = convert(row, row + 1)[0]
            return sample
        return picture(content, spec)

    return one_by_one(count, each, shape, dtype)


def _suspects(array: NDArray[Any]) -> list[bytes]:
    """Return the samples that may be pictures, by their first byte."""
    rows = array.reshape(len(array), -1).view(np.uint8)
    firsts = rows[:, 0]
    found = np.zeros(len(rows), bool)
    for start in _PICTURES:
        found |= firsts == start[0]
    return [rows[row].tobytes() for row in np.flatnonzero(found)]


def _is_picture(content: bytes) -> bool:
    return content.startswith(_PICTURES[:2]) or (
        content.startswith(_PICTURES[2]) and content[8:12] == b"WEBP"
    )


def picture(content: bytes, spec: InputSpec) -> NDArray[Any]:
    """Prepare an encoded picture as the runtime does.

    Returns:
        One sample, of the input's shape and dtype.

    Raises:
        Unfit: it is no picture, is damaged, too large or blank.
        StropError: Pillow is not installed.
    """
    try:
        return read_samples(io.BytesIO(content), spec)
    except InputError as error:
        raise Unfit(error.problem) from None
