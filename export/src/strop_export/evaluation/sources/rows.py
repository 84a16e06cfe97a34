"""Rows of columns as a batch of the good ones, and the bad ones set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from strop.bundle.manifest import Manifest
from strop_export.evaluation.sources.base import BadRows, Batch, Columns, bad_rows
from strop_export.evaluation.sources.columns import split
from strop_export.evaluation.sources.inputs import input_shape, samples
from strop_export.evaluation.sources.labels import labels, texts
from strop_export.evaluation.sources.values import Values

MAX_BYTES = 2**26  # of the rows that are converted at once


def from_table(
    table: Mapping[str, Any],
    columns: Columns,
    manifest: Manifest,
    *,
    path: str,
    first_row: int,
    bad: Mapping[int, str] | None = None,
) -> Iterator[Batch | BadRows]:
    """Convert rows: the good ones are one batch, then come the bad ones in their order.

    Args:
        table: the columns, Arrow arrays of one length by name.
        columns: the columns to use.
        manifest: the bundle's.
        path: the file, for the rows that are set aside.
        first_row: the number in the file of the first row here.
        bad: rows that are known to be bad, by their number here.
    """
    inputs = tuple(
        samples([table[part] for part in split(name)], spec)
        for spec, name in zip(manifest.inputs, columns.inputs, strict=True)
    )
    truths = tuple(
        None if name is None else labels(table[name], output)
        for output, name in zip(manifest.outputs, columns.labels, strict=True)
    )
    slices = tuple(texts(table[name]) for name in columns.slices)
    found = Converted(inputs, truths, slices)
    yield from batches(found, columns, path=path, first_row=first_row, bad=bad or {})


class Converted(NamedTuple):
    """The columns of some rows, in the order of `Columns`."""

    inputs: tuple[Values, ...]
    labels: tuple[Values | None, ...]
    slices: tuple[Values, ...]


def batches(
    found: Converted, columns: Columns, *, path: str, first_row: int, bad: Mapping[int, str]
) -> Iterator[Batch | BadRows]:
    """Yield the rows that are good in every column as one batch, then the others.

    Args:
        found: the columns of the rows.
        columns: their names.
        path: the file, for the rows that are set aside.
        first_row: the number in the file of the first row here.
        bad: rows that are known to be bad, by their number here.
    """
    wrong = dict(bad)
    for names, values in zip(columns, found, strict=True):
        for name, each in zip(names, values, strict=True):
            for row, reason in each.bad.items() if each else ():
                wrong.setdefault(row, f"column {name!r}: {reason}")
    count = len(found.inputs[0].array)
    rows = np.arange(first_row, first_row + count)
    good: Any = slice(None)
    if wrong:
        good = np.ones(count, bool)
        good[list(wrong)] = False
    made = Batch(
        rows[good],
        tuple(values.array[good] for values in found.inputs),
        tuple(values.array[good] if values else None for values in found.labels),
        {
            name: values.array[good].tolist()
            for name, values in zip(columns.slices, found.slices, strict=True)
        },
    )
    if len(made.rows):
        yield made
    yield from _runs(wrong, path, first_row)


def at_once(manifest: Manifest, batch: int, row_bytes: int) -> int:
    """Return how many rows to convert at once: no more than fit in the memory meant for them.

    Args:
        manifest: the bundle's; its inputs tell the size of a sample.
        batch: the most rows.
        row_bytes: the size of a row as it is read.
    """
    own = sum(
        int(np.prod(input_shape(spec), dtype=np.int64)) * np.dtype(spec.dtype).itemsize
        for spec in manifest.inputs
    )
    return max(1, min(batch, MAX_BYTES // max(own, row_bytes, 1)))


def _runs(wrong: Mapping[int, str], path: str, first_row: int) -> Iterator[BadRows]:
    """Yield rows that are bad for one reason, one after the other, as one."""
    start = count = 0
    for row in sorted(wrong):
        if count and row == start + count and wrong[row] == wrong[start]:
            count += 1
            continue
        if count:
            yield bad_rows(path, first_row + start, count, wrong[start])
        start, count = row, 1
    if count:
        yield bad_rows(path, first_row + start, count, wrong[start])
