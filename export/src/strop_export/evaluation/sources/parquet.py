"""Parquet files: a unit is a row group, read in pieces.

Rows whose page does not decompress, or fails its checksum where the writer made one, are set aside
with all later rows of the row group. The format has checksums of pages' bodies, not of their
headers or the footer (https://parquet.apache.org/docs/file-format/data-pages/checksumming/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from strop.bundle.manifest import Manifest
from strop_export.errors import EvaluationError, reason
from strop_export.evaluation.sources.base import BadRows, Batch, Columns, Unit, bad_rows
from strop_export.evaluation.sources.columns import needed
from strop_export.evaluation.sources.places import Watched
from strop_export.evaluation.sources.rows import at_once, from_table

_BUFFER_BYTES = 2**20  # that are read of a column at once
_MAX_FOOTER_BYTES = 2**28
_END = 8  # bytes: the footer's length and the magic number


class Planned(NamedTuple):
    """What the footer of a file says."""

    types: dict[str, Any]  # of each column whose name is there once
    rows: tuple[int, ...]  # of each row group


class _Damaged(Exception):
    """A file cannot be read as Parquet."""


def look(path: str) -> Planned | BadRows:
    """Read the footer of a file.

    Raises:
        EvaluationError: the file cannot be opened or read.
    """
    watched = Watched(path)
    try:
        with _decoding(watched, "its footer cannot be read"):
            opened = _open(watched)
            times = Counter(opened.schema_arrow.names)
            types = {each.name: each.type for each in opened.schema_arrow if times[each.name] == 1}
            return Planned(types, tuple(_row_groups(opened)))
    except _Damaged as error:
        return bad_rows(path, 0, None, str(error))
    finally:
        watched.close()


def units(path: str, planned: Planned) -> Iterator[Unit]:
    """Yield the units of a file."""
    first = 0
    for part, rows in enumerate(planned.rows):
        if rows:
            yield Unit("parquet", path, part, rows, (), first)
        first += rows


def read(
    unit: Unit, columns: Columns, manifest: Manifest, *, batch: int
) -> Iterator[Batch | BadRows]:
    """Read a row group; every row is in a batch or set aside.

    Raises:
        EvaluationError: the file cannot be opened or read, or has changed since it was planned.
    """
    watched = Watched(unit.path)
    rows, done = unit.rows or 0, 0
    wanted = needed(columns)
    try:
        with _decoding(watched, "its footer cannot be read"):
            opened = _open(watched)
            found = list(_row_groups(opened))
        if unit.part >= len(found) or found[unit.part] != rows:
            raise EvaluationError(
                f"{unit.path} has changed meanwhile", "start the evaluation again"
            )
        for piece in _pieces(watched, opened, unit.part, wanted, manifest, batch):
            piece = piece[: rows - done]
            if not len(piece):
                break
            table = {name: piece.column(name) for name in wanted}
            yield from from_table(
                table, columns, manifest, path=unit.path, first_row=unit.first_row + done
            )
            done += len(piece)
        why = "the row group has fewer rows than the footer says"
    except _Damaged as error:
        why = str(error)
    finally:
        watched.close()
    if done < rows:
        yield bad_rows(unit.path, unit.first_row + done, rows - done, why)


@contextmanager
def _decoding(watched: Watched, what: str) -> Iterator[None]:
    """Raise _Damaged for whatever Arrow raises, which is anything, on bad bytes.

    Raises:
        EvaluationError: not the bytes are bad, but the file could not be read.
    """
    try:
        yield
    except _Damaged:
        raise
    except Exception as error:  # noqa: BLE001
        watched.blame()
        raise _Damaged(f"{what}: {reason(error)}") from None


def _open(watched: Watched) -> Any:
    watched.seek(max(0, watched.size - _END))
    if int.from_bytes(watched.read(_END)[:4], "little") > _MAX_FOOTER_BYTES:
        raise _Damaged(f"its footer has more than {_MAX_FOOTER_BYTES} bytes")
    # Not pre-buffered: a whole row group would be in memory.
    return pq.ParquetFile(
        pa.PythonFile(watched, "r"),
        pre_buffer=False,
        buffer_size=_BUFFER_BYTES,
        page_checksum_verification=True,
    )


def _row_groups(opened: Any) -> Iterator[int]:
    """Yield the rows of each row group, which must add up to those of the file."""
    metadata = opened.metadata
    rows = [metadata.row_group(part).num_rows for part in range(metadata.num_row_groups)]
    if sum(rows) != metadata.num_rows or min(rows, default=0) < 0:
        raise _Damaged(f"its footer says {metadata.num_rows} rows, and {sum(rows)} by row groups")
    yield from rows


def _pieces(
    watched: Watched, opened: Any, part: int, wanted: list[str], manifest: Manifest, batch: int
) -> Iterator[Any]:
    """Yield the row group in record batches, each with all the wanted columns."""
    with _decoding(watched, "cannot be decoded"):
        # Of all columns: pyarrow ends the process if it is asked for those of a damaged footer.
        group = opened.metadata.row_group(part)
        size = at_once(manifest, batch, group.total_byte_size // max(1, group.num_rows))
        pieces = opened.iter_batches(size, [part], columns=wanted, use_threads=False)
    while True:
        with _decoding(watched, "cannot be decoded"):
            piece = next(pieces, None)
            if piece is None:
                return
            for name in wanted:
                if piece.schema.get_field_index(name) < 0:
                    raise _Damaged(f"column {name!r} is not there")
        yield piece
