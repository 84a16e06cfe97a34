"""The samples to evaluate: files are planned as units, and each unit is read as batches.

>>> data = plan(["shards/*.parquet"], manifest, inputs={}, labels={}, slices=[], progress=print)
>>> for unit in data.units:
...     for rows in read(unit, data.columns, manifest, batch=1000): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from strop.bundle.manifest import Manifest
from strop_export.errors import EvaluationError, install_line
from strop_export.evaluation.sources.base import BadRows, Batch, Columns, Data, Unit

__all__ = ["BadRows", "Batch", "Columns", "Data", "Unit", "plan", "read", "require_unchanged"]


def plan(
    paths: Sequence[str],
    manifest: Manifest,
    *,
    inputs: Mapping[str, str],
    labels: Mapping[str, str],
    slices: Sequence[str],
    progress: Callable[[str], None],
) -> Data:
    """Find the data, choose the columns, and divide the files into units.

    Args:
        paths: files, patterns such as 'shards/*.parquet', URIs of them, or folders of pictures; all
            of one format.
        manifest: the bundle's.
        inputs: for inputs by name the column, or several joined by commas; others are found by
            their names. "" is the only input.
        labels: for outputs by name the column; others are found by their names, or have none. ""
            is the only output.
        slices: columns whose texts tell the samples apart.
        progress: called with a line now and then.

    Raises:
        EvaluationError: there are no such files, or none can be read; they are of several formats;
            the model has no such input or output; a column is missing, of a type that is not taken,
            or not of the same type in all; or pyarrow is not installed.
    """
    _require_libraries()
    from strop_export.evaluation.sources import planning

    return planning.plan(
        paths, manifest, inputs=inputs, labels=labels, slices=slices, progress=progress
    )


def require_unchanged(paths: Sequence[str], data: Data) -> None:
    """Require that all files that were planned are still those that are there.

    Args:
        paths: as `plan` got them.
        data: what it returned.

    Raises:
        EvaluationError: a file was written, replaced or removed; or a folder cannot be read.
    """
    from strop_export.evaluation.sources import planning

    planning.require_unchanged(paths, data)


def read(
    unit: Unit, columns: Columns, manifest: Manifest, *, batch: int
) -> Iterator[Batch | BadRows]:
    """Read a unit; each of its rows is in one batch or set aside.

    The same bytes give the same batches, with the same rows in the same order.

    Args:
        unit: of the data that were planned.
        columns: of the same plan.
        manifest: the bundle's.
        batch: the most rows of a batch, 1 or more; fewer where samples are large or bad.

    Raises:
        EvaluationError: a file cannot be opened or read, or has changed; or pyarrow is not
            installed.
        StropError: the data are encoded pictures, and Pillow is not installed.
    """
    _require_libraries()
    from strop_export.evaluation.sources import folders, parquet, tfrecord

    readers = {"parquet": parquet.read, "tfrecord": tfrecord.read, "folder": folders.read}
    return readers[unit.source](unit, columns, manifest, batch=batch)


def _require_libraries() -> None:
    try:
        import google.protobuf  # noqa: F401
        import google_crc32c  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise EvaluationError(
            f"evaluation needs {error.name}, which is not installed", install_line("evaluate")
        ) from None
