"""Folders of pictures: `folder/<label>/<picture>`, or pictures without labels in the folder itself.

Two columns are there, "picture" and "folder": the picture, and the name of its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Manifest, OutputSpec
from strop.model.images import MAX_FILE_BYTES
from strop_export.errors import EvaluationError, reason
from strop_export.evaluation.sources.base import BadRows, Batch, Columns, Found, Unit
from strop_export.evaluation.sources.inputs import input_shape, picture
from strop_export.evaluation.sources.labels import classes_of
from strop_export.evaluation.sources.places import Watched, files_below, locate
from strop_export.evaluation.sources.rows import Converted, at_once, batches
from strop_export.evaluation.sources.values import Unfit, Values, one_by_one

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".pgm")
PICTURE, FOLDER = "picture", "folder"
_CHUNK = 1000  # pictures of a unit
_NAMED = ("class", "binary")


class Planned(NamedTuple):
    """What a folder holds: its pictures with paths relative to it, sorted."""

    pictures: tuple[Found, ...]
    labelled: bool  # whether the pictures are in folders, one for each label


def look(path: str) -> Planned:
    """List the pictures of a folder; files with other endings, and hidden ones, are none.

    Raises:
        EvaluationError: it cannot be read, holds no pictures, or holds them at different depths.
    """
    pictures = tuple(
        each
        for each in files_below(path)
        if each.path.lower().endswith(ENDINGS)
        and not any(part.startswith(".") for part in each.path.split("/"))
    )
    if not pictures:
        raise EvaluationError(
            f"the folder {path} holds no pictures ({', '.join(ENDINGS)})",
            f"for other files give a pattern: '{path}/*.parquet'",
        )
    first: dict[int, str] = {}  # of each depth
    for each in pictures:
        first.setdefault(each.path.count("/"), each.path)
    if len(first) > 1 or max(first) > 1:
        raise EvaluationError(
            f"the folder {path} holds pictures at different depths, such as "
            f"{' and '.join(first.values())}",
            "put all in the folder itself, or in one folder for each label",
        )
    return Planned(pictures, labelled=1 in first)


def choose(
    planned: Planned,
    path: str,
    manifest: Manifest,
    labels: Mapping[str, str],
    slices: tuple[str, ...],
) -> Columns:
    """Choose what a folder's names are: the labels of the only output with classes, or none.

    Raises:
        EvaluationError: the model does not take one picture, no folder is named as a label, or what
            was asked for is not there.
    """
    if len(manifest.inputs) != 1 or manifest.inputs[0].picture is None:
        raise EvaluationError("the model does not take one picture", "give its inputs as Parquet")
    for name in (*slices, *labels.values()):
        if name != FOLDER:
            raise EvaluationError(f"there is no column {name!r}", f"a folder has {FOLDER!r} alone")
    outputs = manifest.outputs
    for name in labels:
        if name not in [output.name for output in outputs if output.kind in _NAMED]:
            raise EvaluationError(f"there is no output {name!r} with classes")
    able = [output.name for output in outputs if output.kind in _NAMED]
    if planned.labelled and not labels and len(able) > 1:
        raise EvaluationError(
            f"the outputs {' and '.join(able)} have classes",
            f"say whose: --label {able[0]}={FOLDER}",
        )
    asked = tuple(labels) or (tuple(able) if planned.labelled else ())
    if asked and not planned.labelled:
        raise EvaluationError(f"the pictures of {path} are in no folders that name labels")
    folders = sorted({each.path.partition("/")[0] for each in planned.pictures})
    for output in outputs:
        if output.name in asked and all(_class_of(name, output) is None for name in folders):
            raise EvaluationError(
                f"no folder in {path} is named as a label of output {output.name!r}: "
                f"{', '.join(folders[:10])}",
                f"name them {', '.join(output.labels[:10]) or 'by the numbers of the classes'}",
            )
    found = tuple(FOLDER if output.name in asked else None for output in outputs)
    return Columns((PICTURE,), found, slices)


def units(path: str, planned: Planned) -> Iterator[Unit]:
    """Yield the units of a folder."""
    names = [each.path for each in planned.pictures]
    for part, first in enumerate(range(0, len(names), _CHUNK)):
        files = tuple(names[first : first + _CHUNK])
        yield Unit("folder", path, part, len(files), files, first)


def read(
    unit: Unit, columns: Columns, manifest: Manifest, *, batch: int
) -> Iterator[Batch | BadRows]:
    """Prepare the pictures of a unit as the runtime prepares a picture that it classifies.

    Raises:
        EvaluationError: a picture cannot be opened or read.
        StropError: Pillow is not installed.
    """
    (spec,) = manifest.inputs
    size = at_once(manifest, batch, 0)
    for first in range(0, len(unit.files), size):
        files = unit.files[first : first + size]
        values = one_by_one(
            len(files),
            lambda row, files=files: picture(_content(unit.path, files[row]), spec),  # type: ignore[misc]
            input_shape(spec),
            np.dtype(spec.dtype),
        )
        values = Values(
            values.array, {row: f"{files[row]}: {why}" for row, why in values.bad.items()}
        )
        folders = np.array([name.rpartition("/")[0] for name in files], object)
        found = Converted(
            (values,),
            tuple(
                None if name is None else _labels(folders, output)
                for output, name in zip(manifest.outputs, columns.labels, strict=True)
            ),
            tuple(Values(folders, {}) for _ in columns.slices),
        )
        first_row = unit.first_row + first
        yield from batches(found, columns, path=unit.path, first_row=first_row, bad={})


def _labels(folders: NDArray[Any], output: OutputSpec) -> Values:
    numbers = {name: _class_of(name, output) for name in set(folders)}
    found = [numbers[name] for name in folders]
    bad = {
        row: f"{folders[row]!r} is no label of output {output.name!r}"
        for row, number in enumerate(found)
        if number is None
    }
    return Values(np.array([number or 0 for number in found], np.int64), bad)


def _class_of(folder: str, output: OutputSpec) -> int | None:
    """Return the number of the class that a folder is named after: by its label, or its number."""
    if folder in output.labels:
        return output.labels.index(folder)
    is_number = folder.isascii() and folder.isdecimal()
    return int(folder) if is_number and int(folder) < classes_of(output) else None


def _content(folder: str, name: str) -> bytes:
    place = locate(folder)
    watched = Watched(place.name(f"{place.path}/{name}"))
    try:
        if watched.size > MAX_FILE_BYTES:
            raise Unfit(f"the picture has more than {MAX_FILE_BYTES} bytes")
        return watched.read()
    except OSError as error:
        raise EvaluationError(f"cannot read {watched.path}: {reason(error)}", "try again") from None
    finally:
        watched.close()
