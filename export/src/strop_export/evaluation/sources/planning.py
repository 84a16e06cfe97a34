"""The plan of an evaluation's data: what is there, and how it is divided into units."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from strop.bundle.manifest import Manifest
from strop_export.errors import EvaluationError
from strop_export.evaluation.sources import folders, parquet, tfrecord
from strop_export.evaluation.sources.base import BadRows, Columns, Data, Found, Unit
from strop_export.evaluation.sources.columns import by_name, choose, needed, require_types
from strop_export.evaluation.sources.places import files_below, find
from strop_export.evaluation.sources.values import simple_type

_THREADS = 16  # mostly they wait for a store
_PACE_S = 1.0  # between two lines of progress


class _File(NamedTuple):
    """A file that can be read: the types of its columns, and its units."""

    path: str
    types: Mapping[str, Any]
    units: tuple[Unit, ...]


def plan(
    paths: Sequence[str],
    manifest: Manifest,
    *,
    inputs: Mapping[str, str],
    labels: Mapping[str, str],
    slices: Sequence[str],
    progress: Callable[[str], None],
) -> Data:
    """Plan as `strop_export.evaluation.sources.plan` says."""
    inputs = by_name(inputs, [spec.name for spec in manifest.inputs], "input")
    labels = by_name(labels, [spec.name for spec in manifest.outputs], "output")
    kind, found = find(paths)
    if kind == "folder":
        data = _of_folders(found, manifest, labels, tuple(dict.fromkeys(slices)))
        progress(f"found {sum(unit.rows or 0 for unit in data.units):,} pictures")
        return data
    look = {"parquet": _parquet, "tfrecord": _tfrecord}[kind]
    looked = list(_in_threads(look, found, progress))
    files = [each for each in looked if isinstance(each, _File)]
    bad = tuple(each for each in looked if isinstance(each, BadRows))
    if not files:
        raise EvaluationError(
            f"none of {len(found)} files can be read; {bad[0].path}: {bad[0].reason}"
        )
    first = next((file for file in files if file.types), files[0])
    columns = choose(first.types, manifest, inputs=inputs, labels=labels, slices=slices)
    require_types(first.types, columns, manifest)
    for file in files:
        _require_same(file, first, columns)
    units = tuple(unit for file in files for unit in file.units)
    return Data(units, columns, bad, _digest(found, units, columns), tuple(found))


def require_unchanged(paths: Sequence[str], data: Data) -> None:
    """Do as `strop_export.evaluation.sources.require_unchanged` says."""
    kind, found = find(paths)
    if kind == "folder":
        found = [
            each
            for folder in found
            for each in (
                folder._replace(size=0, modified_ns=0),
                *_whole(folder, files_below(folder.path)),
            )
        ]
    there = set(found)
    for each in data.found:
        if each not in there:
            raise EvaluationError(
                f"{each.path} changed while the data were evaluated",
                "let nothing write to the data; --restart begins anew",
            )


def _whole(folder: Found, below: Sequence[Found]) -> list[Found]:
    """Return files below a folder with their whole paths."""
    return [each._replace(path=f"{folder.path}/{each.path}") for each in below]


def _of_folders(
    found: Sequence[Found], manifest: Manifest, labels: Mapping[str, str], slices: tuple[str, ...]
) -> Data:
    units: list[Unit] = []
    pictures: list[Found] = []
    columns: Columns | None = None
    for folder in found:
        planned = folders.look(folder.path)
        chosen = folders.choose(planned, folder.path, manifest, labels, slices)
        if columns not in (None, chosen):
            raise EvaluationError(
                f"of {found[0].path} and {folder.path} only one has a folder for each label",
                "evaluate one at a time",
            )
        columns = chosen
        units += folders.units(folder.path, planned)
        pictures += [folder._replace(size=0, modified_ns=0), *_whole(folder, planned.pictures)]
    if columns is None:
        raise EvaluationError("no data was given")
    return Data(tuple(units), columns, (), _digest(pictures, units, columns), tuple(pictures))


def _parquet(path: str) -> _File | BadRows:
    planned = parquet.look(path)
    if isinstance(planned, BadRows):
        return planned
    return _File(path, planned.types, tuple(parquet.units(path, planned)))


def _tfrecord(path: str) -> _File | BadRows:
    types = tfrecord.look(path)
    if isinstance(types, BadRows):
        return types
    return _File(path, types, (Unit("tfrecord", path, 0, None),))


def _in_threads(
    look: Callable[[str], _File | BadRows],
    found: Sequence[Found],
    progress: Callable[[str], None],
) -> Iterator[_File | BadRows]:
    """Yield what is found out about each file, in their order."""
    shown = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as threads:
        results = threads.map(look, [each.path for each in found])
        for done, result in enumerate(results, 1):
            yield result
            if time.monotonic() - shown > _PACE_S or done == len(found):
                shown = time.monotonic()
                progress(f"looked at {done:,} of {len(found):,} files")


def _require_same(file: _File, first: _File, columns: Columns) -> None:
    """Require that a file has the columns that are read, with the same types as the first one."""
    if not file.types and not any(unit.rows for unit in file.units):
        return  # no record of a TFRecord file has told
    for name in needed(columns):
        if name not in file.types:
            raise EvaluationError(
                f"{file.path} has no column {name!r}, which {first.path} has",
                "leave one of them out",
            )
        if simple_type(file.types[name]) != simple_type(first.types[name]):
            raise EvaluationError(
                f"column {name!r} is {file.types[name]} in {file.path}, and {first.types[name]} in "
                f"{first.path}",
                "write both alike, or leave one out",
            )


def _digest(found: Sequence[Found], units: Sequence[Unit], columns: Columns) -> str:
    content = json.dumps([found, units, columns], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
