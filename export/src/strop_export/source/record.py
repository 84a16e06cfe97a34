"""The records of training about a model: training.json, and the outputs that Keras gave then."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.errors import SourceError
from strop_export.rules import rounding_factor
from strop_export.source.files import Files

# Keras against its outputs recorded at training, maybe on another CPU; for up to four kernels.
_MOST_DRIFT = 1e-5


def checked_version(version: Any) -> int:
    """Return a model's version.

    Raises:
        SourceError: it is not an integer of 1 or more.
    """
    try:
        number = int(operator.index(version))
    except TypeError:
        number = 0
    if number < 1:
        raise SourceError(f"the model version is {version!r}", "give an integer of 1 or more")
    return number


def read(path: Path | None) -> dict[str, Any]:
    """Read a training record.

    Args:
        path: a training.json; None: there is none.

    Raises:
        SourceError: it cannot be read, or has another form.
    """
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}: {error}", "train again") from None
    types = {"model_version": int, "labels": list, "image": dict}
    if not isinstance(content, dict) or any(
        not isinstance(content.get(name, kind()), kind) for name, kind in types.items()
    ):
        raise SourceError(f"{path} is not a training record", "train again")
    return content


def checked(
    files: Files, recorded: NDArray[Any] | None, answers: tuple[NDArray[Any], ...], kernels: int
) -> tuple[NDArray[Any], ...]:
    """Return Keras's outputs, as recorded at training if they were, else as computed now.

    Args:
        files: the paths, for messages.
        recorded: (N, ...) of the only output, or None if none were recorded.
        answers: as computed now, (N, ...) for each output.
        kernels: as in `rules.rounding_factor`.

    Raises:
        SourceError: the recorded outputs are those of another model.
    """
    if recorded is None or len(answers) != 1:
        return answers
    (today,) = answers
    if difference := _difference(recorded, today, _MOST_DRIFT * rounding_factor(kernels)):
        raise SourceError(
            f"{files.evaluation} holds outputs of another model than {files.model} ({difference})",
            "train again",
        )
    return (recorded.astype(today.dtype),)


def _difference(recorded: NDArray[Any], today: NDArray[Any], most: float) -> str:
    """Say how recorded outputs differ from today's; "" if by no more than `most` of their size."""
    if recorded.shape != today.shape or recorded.dtype.kind not in "biuf":
        return (
            f"they are {recorded.dtype} {recorded.shape}, and it gives {today.dtype} {today.shape}"
        )
    if today.dtype.kind != "f":
        count = np.count_nonzero(recorded != today)
        return f"{count} of {today.size} values differ" if count else ""
    drift = np.abs(recorded - today).max(initial=0.0) / max(1.0, np.abs(today).max(initial=0.0))
    return "" if drift <= most else f"they differ by {drift:.3g}"
