"""The artifact directory: what a training leaves for an export, written by one call."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from strop_export import given, source
from strop_export.errors import ExportError, SourceError
from strop_export.source.arrays import read_arrays

_RECORD = "training.json"


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
        model: a Keras model.
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
            is something else than an artifact.
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / _RECORD).is_file():
        raise SourceError(f"{folder} is there, and is no artifact directory", "name another folder")
    partial = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        calibrating, judging = partial / "calibration.npz", partial / "evaluation.npz"
        _keep(given.model_file(model, partial), partial / "model.keras")
        _keep(given.arrays_file(calibration, calibrating, model), calibrating)
        _keep(given.arrays_file(evaluation, judging, model), judging)
        record: dict[str, Any] = {"name": folder.name, "model_version": model_version}
        record |= {"labels": list(labels)} if labels else {}
        record |= {"image": {"background": "dark"}} if dark_background else {}
        (partial / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        read = source.read(source.artifact(partial, folder.name), trust=trust)
        if len(read.keras) == 1:  # export can tell later whether Keras still answers the same
            arrays = read_arrays(judging) | {"outputs": read.keras[0]}
            np.savez(judging, allow_pickle=False, **arrays)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except ExportError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise error.without(f"{partial}{os.sep}") from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def _keep(file: Path, place: Path) -> None:
    """Copy a file that was given by its path."""
    if file != place:
        shutil.copyfile(file, place)
