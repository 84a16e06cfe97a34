"""Columns of Arrow as the labels of an output, in the form that the figures of its kind need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from strop.bundle.manifest import OutputSpec
from strop_export.evaluation.sources.values import (
    Shape,
    Unfit,
    Values,
    by_halves,
    fitted,
    is_bytes,
    is_list,
    is_number,
    lengths_of,
    numbers,
    of_bytes,
    raw,
    simple,
    simple_type,
    sizes_of,
    unpacked,
    view,
)

MAX_TEXT = 200  # characters of a slice's text
_SHOWN = 40  # characters of a text that is no label
_INT64, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)
_NAMED = ("class", "binary", "multilabel")


def shape_of(output: OutputSpec) -> Shape:
    """Return the shape of one sample's label."""
    shape = tuple(size or 1 for size in output.shape[1:])
    if output.kind in ("class", "binary"):
        return ()
    return shape[:-1] if output.kind == "segmentation" else shape


def classes_of(output: OutputSpec) -> int:
    """Return the number of classes of an output of kind class, binary or segmentation."""
    last = output.shape[-1] if len(output.shape) > 1 else 1
    return max(last or 1, 2)


def require_label(kind: Any, output: OutputSpec) -> None:
    """Require that a column of this type can be the labels of an output.

    Raises:
        Unfit: it cannot.
    """
    kind, shape = simple_type(kind), shape_of(output)
    leaf = simple_type(kind.value_type) if is_list(kind) else kind
    if output.kind in _NAMED and (_is_text(leaf) or is_bytes(leaf)):
        if not output.labels:
            raise Unfit("it is text, and the output's classes have no names")
        if output.kind == "multilabel" and leaf is kind:
            raise Unfit("it is one text, and any number of labels may hold: write lists of texts")
        return
    if output.kind == "segmentation" and is_bytes(kind):
        return
    if output.kind == "class" and is_list(kind) and is_number(leaf):
        return  # of one number, or one-hot
    sizes_of(kind, shape)


def labels(column: Any, output: OutputSpec) -> Values:
    """Convert a column to the labels of an output.

    Returns:
        As `Batch.labels` says for the output's kind. Classes may be numbers, the names of the
        output's labels, or one-hot; the labels of a multilabel output 0 and 1 for each, or lists of
        names; classes by pixel lists or bytes.
    """
    column, shape = simple(column), shape_of(output)
    names = of_bytes([name.encode() for name in output.labels])

    def convert(start: int, stop: int) -> NDArray[Any]:
        return _converted(column[start:stop], output, names)

    wide = _FLOAT64 if output.kind in ("regression", "raw") else _INT64
    return by_halves(len(column), convert, shape, wide)


def _converted(column: Any, output: OutputSpec, names: Any) -> NDArray[Any]:
    kind, shape = output.kind, shape_of(output)
    if kind in ("regression", "raw"):
        return fitted(numbers(column, shape), _FLOAT64)
    if kind == "multilabel":
        leaf = simple_type(column.type.value_type) if is_list(column.type) else column.type
        if is_list(column.type) and (_is_text(leaf) or is_bytes(leaf)):
            return _several(column, names)
        return _below(fitted(numbers(column, shape), _INT64), 2)
    if kind == "segmentation":
        if is_bytes(column.type):
            pixels = raw(column, shape, np.dtype(np.uint8))
            return _below(pixels.astype(_INT64), classes_of(output))
        return _below(fitted(numbers(column, shape), _INT64), classes_of(output))
    if is_list(column.type) and _lengths(column) != 1 and kind == "class":
        return _one_hot(column, classes_of(output))
    if is_list(column.type):
        column = simple(unpacked(column, 1))
    if _is_text(column.type) or is_bytes(column.type):
        return _numbers_of(column, names)
    return _below(fitted(numbers(column, ()), _INT64), classes_of(output))


def _lengths(column: Any) -> int:
    """Return the length of the first list; rows of other lengths are found later."""
    if column.null_count:
        raise Unfit("it is null")
    first = column[0].as_py() if len(column) else [0]
    return len(first)


def _one_hot(column: Any, classes: int) -> NDArray[Any]:
    marks = fitted(numbers(column, (classes,)), _INT64)
    if ((marks != 0) & (marks != 1)).any() or (marks.sum(axis=1) != 1).any():
        raise Unfit("it is not one-hot: one 1, and else 0")
    classes_found: NDArray[Any] = marks.argmax(axis=1).astype(_INT64)
    return classes_found


def _below(array: NDArray[Any], classes: int) -> NDArray[Any]:
    if array.size and (array.min() < 0 or array.max() >= classes):
        wrong = array[(array < 0) | (array >= classes)].reshape(-1)[0]
        raise Unfit(f"it is {wrong}, and takes 0 to {classes - 1}")
    return array


def _numbers_of(column: Any, names: Any) -> NDArray[Any]:
    """Return the numbers of texts among the names of classes."""
    if column.null_count:
        raise Unfit("it is null")
    texts = column.cast(pa.large_binary())
    places = pc.index_in(texts, value_set=names)
    if places.null_count:
        (row, *_) = np.flatnonzero(view(places.is_null()))
        text = texts[int(row)].as_py().decode(errors="replace")
        raise Unfit(f"{text[:_SHOWN]!r} is none of the output's labels")
    return view(places).astype(_INT64)


def _several(column: Any, names: Any) -> NDArray[Any]:
    """Return 0 or 1 for each name from lists of names."""
    if column.null_count:
        raise Unfit("it is null")
    marks = np.zeros((len(column), len(names)), np.int64)
    offered = simple(column.flatten())
    rows = np.repeat(np.arange(len(column)), lengths_of(column))
    marks[rows, _numbers_of(offered, names)] = 1
    return marks


def require_text(kind: Any) -> None:
    """Require that a column of this type can be a slice.

    Raises:
        Unfit: it cannot.
    """
    kind = simple_type(kind)
    leaf = simple_type(kind.value_type) if is_list(kind) else kind
    if types.is_nested(leaf) or types.is_null(leaf):
        raise Unfit(f"it is {kind}, not one text or number a row")


def texts(column: Any) -> Values:
    """Convert a column to a text for each row, "" for null: an array (n,) of Python's texts."""
    column = simple(column)

    def convert(start: int, stop: int) -> NDArray[Any]:
        some = column[start:stop]
        made = np.full(len(some), "", object)
        if is_list(some.type):
            made[view(some.is_valid())] = _written(simple(unpacked(some.drop_null(), 1)))
        else:
            made[:] = _written(some)
        return made

    return by_halves(len(column), convert, (), object)


def _written(column: Any) -> list[str]:
    if _is_text(column.type):
        column = column.cast(pa.large_binary())  # and back, which checks that it is UTF-8
    try:
        found: list[str] = column.cast(pa.large_string()).fill_null("").to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Unfit("it is not a text in UTF-8") from None
    if any(len(text) > MAX_TEXT for text in found):
        raise Unfit(f"its text has more than {MAX_TEXT} characters")
    return found


def _is_text(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))
