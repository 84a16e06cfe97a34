"""The model as the app sees it: names, shapes, dtypes, ranges, statistics, labels, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, OutputSpec, Picture, PictureStep, Statistics
from strop_export.source.kinds import Kind

_MOST_FEATURES = 64  # of a vector that get statistics of their own
UNNAMED = "probabilities", "logits", "output"  # what the only output is called, by what it means
_DECILES = np.linspace(0, 100, 11)


def input_spec(name: str, calibration: NDArray[Any], image: Mapping[str, Any] | None) -> InputSpec:
    """Describe an input: the shape, dtype, range and statistics of the calibration samples.

    Args:
        name: of the input; "" for the only one, which has no name of its own.
        calibration: (N, ...).
        image: what training recorded about pictures (`background`), or None.
    """
    shape = calibration.shape[1:]
    picture = _picture(shape, calibration.dtype, image)
    if calibration.dtype == np.uint8:
        limits = (0.0, 255.0)
    else:
        limits = (float(calibration.min()), float(calibration.max()))
    return InputSpec(
        name=name or ("image" if picture else "input"),
        shape=(None, *shape),
        dtype=calibration.dtype.name,
        range=limits,
        statistics=_statistics(calibration),
        picture=picture,
    )


def _statistics(calibration: NDArray[Any]) -> tuple[Statistics, ...]:
    """Describe how the values lie: those of each feature of a short vector, else all at once."""
    values = calibration.reshape(len(calibration), -1)
    if calibration.ndim > 2 or values.shape[1] > _MOST_FEATURES:
        values = values.reshape(-1, 1)
    return tuple(_described(column.astype(np.float64), len(calibration)) for column in values.T)


def _described(column: NDArray[np.float64], samples: int) -> Statistics:
    deciles = np.maximum.accumulate(np.percentile(column, _DECILES))  # rounding may disorder them
    return Statistics(samples, float(column.mean()), float(column.std()), tuple(deciles.tolist()))


def _picture(
    shape: tuple[int, ...], dtype: np.dtype[Any], said: Mapping[str, Any] | None
) -> Picture | None:
    """Describe how to prepare pictures: as training recorded it, else by the shape of the samples.

    Returns:
        None unless the samples are pictures: uint8 (height, width), or with 1 or 3 channels last.
    """
    if dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        return None
    background = str(said.get("background", "any")) if said else "any"
    steps = [PictureStep("flatten", {"level": 255})]
    if background == "dark":
        steps.append(PictureStep("invert", {"when": "light-border"}))
    fit = {"width": shape[1], "height": shape[0], "fill": "border"}
    steps.append(PictureStep("fit", fit))
    return Picture("RGB" if shape[2:] == (3,) else "L", tuple(steps))


def output_spec(
    name: str, keras: NDArray[Any], kind: Kind, head: str, labels: tuple[str, ...]
) -> OutputSpec:
    """Describe an output.

    Args:
        name: of the output; "" for the only one, which has no name of its own.
        keras: Keras's answers, (N, ...).
        kind: what it means.
        head: the name of its activation.
        labels: the names of its classes.
    """
    decides = kind.kind in ("class", "binary", "multilabel")
    probabilities, logits, output = UNNAMED
    plain = (logits if kind.logits else probabilities) if decides else output
    return OutputSpec(
        name=name or plain,
        shape=(None, *keras.shape[1:]),
        dtype=keras.dtype.name,
        range=(0.0, 1.0) if head in ("softmax", "sigmoid") else None,
        labels=labels,
        kind=kind.kind,
        logits=kind.logits,
        threshold=kind.threshold,
    )
