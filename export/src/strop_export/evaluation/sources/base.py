"""What a source of samples gives: units of work, batches of samples, and rows that are set aside.

No library that reads files is imported here, so that workers start fast.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from strop.errors import one_line

MAX_REASON = 300  # characters


class Unit(NamedTuple):
    """A piece of data that one task reads; what it gives depends on its bytes alone."""

    source: str  # "parquet" | "tfrecord" | "folder"
    path: str  # the file, or the folder: an absolute path or a URI
    part: int  # Parquet: the row group; TFRecord: 0; folder: the number of the chunk
    rows: int | None  # None where it is not known before reading (TFRecord)
    files: tuple[str, ...] = ()  # folder: the pictures of this chunk, relative to the path
    first_row: int = 0  # the number of the unit's first row in its file, or in the sorted folder


class BadRows(NamedTuple):
    """Rows that are set aside, and why."""

    path: str
    row: int  # the number of the first row in its file, from 0
    count: int | None  # type: ignore[assignment]  # rows; None: unknown, as a file cannot be read from there on
    reason: str  # one printable line of at most MAX_REASON characters


class Batch(NamedTuple):
    """Samples that are good: arrays of the same number n of rows, in the order of the file."""

    rows: NDArray[Any]  # int64 (n,): their numbers in the file, from 0
    # As in the manifest: (n, *shape[1:]) of its dtype; not to be written.
    inputs: tuple[NDArray[Any], ...]
    # For each output, or None without labels. class, binary: int64 (n,); multilabel: int64
    # (n, labels) of 0 and 1; segmentation: int64 (n, ...) without the last axis; regression, raw:
    # float64 (n, ...).
    labels: tuple[NDArray[Any] | None, ...]
    slices: dict[str, list[str]]  # for each column a text for each row, "" for null

    def only(self, place: int) -> Batch:
        """Return a batch of one of the samples."""
        one = slice(place, place + 1)
        return Batch(
            self.rows[one],
            tuple(array[one] for array in self.inputs),
            tuple(None if array is None else array[one] for array in self.labels),
            {name: texts[one] for name, texts in self.slices.items()},
        )


class Columns(NamedTuple):
    """The columns that are read. An input of several columns is their names, joined by commas."""

    inputs: tuple[str, ...]  # one for each input
    labels: tuple[str | None, ...]  # one for each output
    slices: tuple[str, ...]


class Found(NamedTuple):
    """A file or folder: an absolute path or a URI, and what tells whether it changed."""

    path: str
    size: int
    modified_ns: int


class Data(NamedTuple):
    """What planning found."""

    units: tuple[Unit, ...]
    columns: Columns
    bad: tuple[BadRows, ...]  # whole files that cannot be read; their count is None
    digest: str  # SHA-256 of paths, sizes, modification times, units and columns
    found: tuple[Found, ...]  # all files, and the folders of pictures


def bad_rows(path: str, row: int, count: int | None, reason: str) -> BadRows:
    """Set rows aside, with any text as the reason."""
    return BadRows(path, row, count, one_line(reason)[:MAX_REASON])
