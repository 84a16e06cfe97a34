"""TFRecord files of tf.train.Example: a unit is a file, read record by record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pyarrow as pa

from strop.bundle.manifest import Manifest
from strop_export.errors import reason
from strop_export.evaluation.sources.base import BadRows, Batch, Columns, Unit, bad_rows
from strop_export.evaluation.sources.columns import needed
from strop_export.evaluation.sources.examples import TYPES, column, kind_of, parse
from strop_export.evaluation.sources.framing import Broken, frames
from strop_export.evaluation.sources.places import Watched
from strop_export.evaluation.sources.rows import MAX_BYTES, at_once, from_table

_BUFFER_BYTES = 2**20
_UNZIPPED_BYTES = 2**16  # at once: so much is lost before the place where decompression fails
_LOOKED_AT = 100  # records of a file, to find one that is good

Types = dict[str, Any]


def look(path: str) -> Types | BadRows:
    """Read a file up to its first good record.

    Returns:
        The Arrow type of each column of that record, sorted by name; none if there is no such
        record among the first.

    Raises:
        EvaluationError: the file cannot be opened or read.
    """
    try:
        with _frames(path) as records:
            for data in islice(records, _LOOKED_AT):
                if isinstance(data, bytes) and (features := parse(data)) is not None:
                    kinds = {name: kind_of(features[name]) for name in sorted(features)}
                    return {name: TYPES[kind] for name, kind in kinds.items() if kind}
    except Broken as error:
        return bad_rows(path, 0, None, str(error))
    return {}


def read(
    unit: Unit, columns: Columns, manifest: Manifest, *, batch: int
) -> Iterator[Batch | BadRows]:
    """Read a file to its end, or to where it cannot be read on.

    A feature that a record lacks is null. The first record that has a feature tells its kind.

    Raises:
        EvaluationError: the file cannot be opened or read.
    """
    size = at_once(manifest, batch, 0)
    kinds: dict[str, str] = {}
    row = 0
    for records, broken in _pieces(unit.path, size):
        if records:
            yield from _converted(records, columns, manifest, kinds, unit.path, row)
            row += len(records)
        if broken:
            yield bad_rows(unit.path, row, None, broken)


def _pieces(path: str, size: int) -> Iterator[tuple[list[bytes | str], str]]:
    """Yield a number of records, and after the last ones why the file cannot be read on, or ""."""
    records: list[bytes | str] = []
    held = 0
    try:
        with _frames(path) as found:
            for data in found:
                records.append(data)
                held += len(data)
                if len(records) == size or held >= MAX_BYTES:
                    yield records, ""
                    records, held = [], 0
        broken = ""
    except Broken as error:
        broken = str(error)
    yield records, broken


@contextmanager
def _frames(path: str) -> Iterator[Iterator[bytes | str]]:
    """Open a file, also a compressed one, as an iterator of its records.

    Raises:
        EvaluationError: it cannot be opened or read.
        Broken: it cannot be read on.
    """
    watched = Watched(path)
    try:
        stream = pa.PythonFile(watched, "r")
        if is_compressed := path.partition("?")[0].lower().endswith(".gz"):
            stream = pa.CompressedInputStream(stream, "gzip")
        size = _UNZIPPED_BYTES if is_compressed else _BUFFER_BYTES
        yield frames(pa.BufferedInputStream(stream, size))
    except (pa.ArrowException, OSError) as error:
        watched.blame()
        raise Broken(f"the file cannot be decompressed: {reason(error)}") from None
    finally:
        watched.close()


def _converted(
    records: Sequence[bytes | str],
    columns: Columns,
    manifest: Manifest,
    kinds: dict[str, str],
    path: str,
    row: int,
) -> Iterator[Batch | BadRows]:
    bad: dict[int, str] = {}
    parsed = []
    for place, data in enumerate(records):
        features = parse(data) if isinstance(data, bytes) else None
        if features is None:
            bad[place] = data if isinstance(data, str) else "the record is no tf.train.Example"
        parsed.append(features)
    table = {name: _column(name, parsed, kinds, bad) for name in needed(columns)}
    yield from from_table(table, columns, manifest, path=path, first_row=row, bad=bad)


def _column(name: str, parsed: Sequence[Any], kinds: dict[str, str], bad: dict[int, str]) -> Any:
    """Return one feature of all records as a column; records with another kind of it are bad."""
    found: list[Any] = []
    for row, features in enumerate(parsed):
        feature = features[name] if features is not None and name in features else None
        kind = None if feature is None else kind_of(feature)
        if kind is not None and kinds.setdefault(name, kind) != kind:
            bad.setdefault(row, f"column {name!r}: it is {kind}, and earlier ones {kinds[name]}")
            kind = None
        found.append(feature if kind else None)
    return column(found, kinds.get(name, "bytes_list"))
