"""The artifact directory: what a training leaves for an export, written by one call."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from strop.model.arrays import npz
from strop_export import given, source
from strop_export.errors import ExportError, SourceError
from strop_export.source.arrays import read_arrays

_PARTS: Final = ("model.keras", "calibration.npz", "evaluation.npz", "training.json")


def save_artifact(
    model: Any,
    folder: str | Path,
    calibration: Any,
    evaluation: Any,
    *,
    labels: Sequence[str] | None = None,
    model_version: int = 1,
    dark_background: bool = False,
    trust: bool = False,
) -> Path:
    """Write an artifact directory at the end of a training script.

    `strop-export --artifact FOLDER` turns it into bundles, then or later, here or elsewhere. The
    model is read back and checked with its samples before the folder appears: a folder that is
    there can be exported.

    Args:
        model: a Keras model, or the path of a `.keras` file. One with classes of your own cannot be
            an artifact: export it with `custom`.
        folder: the folder to write; its name is the name of the bundles. An earlier artifact
            there is replaced.
        calibration: training samples, in the forms that `export` takes.
        evaluation: test samples, best with their labels, in the same forms.
        labels: the names of the classes, in order.
        model_version: 1 or more; devices refuse to go back to a lower one.
        dark_background: the samples are pictures of something light on dark, such as MNIST's
            digits; devices invert photos of dark ink on paper.
        trust: the model has layers with Python code, which reading it back runs.

    Returns:
        The folder.

    Raises:
        SourceError: the model or the samples do not fit, or could not prove anything; or `folder`
            has other files than an artifact.
        OSError: the folder cannot be written.
    """
    record: dict[str, Any] = {"model_version": model_version}
    record |= {"labels": list(labels)} if labels else {}
    record |= {"image": {"background": "dark"}} if dark_background else {}
    folder = Path(folder)
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if (folder.exists() and not folder.is_dir()) or there - set(_PARTS):
        raise SourceError(
            f"{folder} is there, and is not only an artifact", "name another folder, or empty it"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        partial = Path(scratch, "new")
        partial.mkdir()
        try:
            _fill(partial, folder.name, model, calibration, evaluation, record, trust=trust)
        except ExportError as error:
            raise error.without(f"{partial}{os.sep}") from error
        _put(partial, folder, Path(scratch, "old"))
    return folder


def _fill(
    folder: Path,
    name: str,
    model: Any,
    calibration: Any,
    evaluation: Any,
    record: dict[str, Any],
    *,
    trust: bool,
) -> None:
    """Write the files of an artifact, and read them back."""
    if isinstance(model, str | Path) and Path(model).suffix != ".keras":
        raise SourceError(
            f"{model} is not a .keras file", "give the model, or export the file as it is"
        )
    saved, calibrating, judging, told = (folder / part for part in _PARTS)
    _keep(given.model_file(model, folder), saved)
    _keep(given.arrays_file(calibration, calibrating, model), calibrating)
    _keep(given.arrays_file(evaluation, judging, model), judging)
    told.write_text(json.dumps({"name": name, **record}, indent=2) + "\n", encoding="utf-8")
    read = source.read(source.artifact(folder, name), trust=trust)
    if len(read.keras) == 1:  # export can tell later whether Keras still answers the same
        judging.write_bytes(npz(read_arrays(judging) | {"outputs": read.keras[0]}))


def _put(new: Path, place: Path, aside: Path) -> None:
    """Rename a folder to its place; an earlier one goes aside, and comes back if that fails."""
    if not place.exists():
        new.rename(place)
        return
    place.rename(aside)
    try:
        new.rename(place)
    except OSError:
        aside.rename(place)
        raise


def _keep(file: Path, place: Path) -> None:
    """Copy a file that was given by its path."""
    if file != place:
        shutil.copyfile(file, place)
