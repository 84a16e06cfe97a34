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
_FEWEST_DRAWINGS = 50
_ALIKE = 0.95  # the share of samples that show how all were made
_DECILES = np.linspace(0, 100, 11)


def input_spec(name: str, calibration: NDArray[Any], image: Mapping[str, Any] | None) -> InputSpec:
    """Describe an input: the shape, dtype, range and statistics of the calibration samples.

    Args:
        name: of the input; "" for the only one, which has no name of its own.
        calibration: (N, ...).
        image: what training recorded about pictures (`background`), or None.
    """
    picture = _picture(calibration, image)
    if calibration.dtype == np.uint8:
        limits = (0.0, 255.0)
    else:
        limits = (float(calibration.min()), float(calibration.max()))
    return InputSpec(
        name=name or ("image" if picture else "input"),
        shape=(None, *calibration.shape[1:]),
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


def _picture(calibration: NDArray[Any], said: Mapping[str, Any] | None) -> Picture | None:
    """Describe how to prepare pictures: as the samples were made, or as training recorded it.

    Returns:
        None unless the samples are pictures: uint8 (height, width), or with 1 or 3 channels last.
    """
    shape, dtype = calibration.shape[1:], calibration.dtype
    if dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        return None
    size = {"width": shape[1], "height": shape[0]}
    if shape[2:] != (3,) and (box := _drawn_into(calibration.reshape(-1, *shape[:2]))):
        return Picture("L", _drawing_steps(box, size))
    steps = [PictureStep("flatten", {"level": 255})]
    if said and said.get("background") == "dark":
        steps.append(PictureStep("invert", {"when": "light-border"}))
    steps.append(PictureStep("fit", {**size, "fill": "border"}))
    return Picture("RGB" if shape[2:] == (3,) else "L", tuple(steps))


def _drawing_steps(box: int, size: Mapping[str, int]) -> tuple[PictureStep, ...]:
    """Prepare a photo of a drawing as MNIST was made, by what docs/decisions/0024 found best."""
    return (
        PictureStep("flatten", {"level": "contrast"}),
        PictureStep("shrink", {"side": 128}),
        PictureStep("ink", {"reach": 20, "least": 20}),
        PictureStep("find", {"above": 50}),
        PictureStep("fit", {"width": box, "height": box, "fill": 0}),
        PictureStep("centre", {**size, "fill": 0}),
    )


def _drawn_into(samples: NDArray[np.uint8]) -> int | None:
    """Tell whether samples were made as MNIST's: fitted into a box, and centred by their mass.

    Args:
        samples: (N, height, width).

    Returns:
        The side of the box; None if more than a few samples are made otherwise.
    """
    count, height, width = samples.shape
    across, down = (samples.sum(axis, np.int64) for axis in (1, 2))  # (N, width), (N, height)
    whole = across.sum(axis=1)
    if count < _FEWEST_DRAWINGS or not whole.all():
        return None
    x, y = across @ np.arange(width) / whole, down @ np.arange(height) / whole
    centred = (abs(x - width // 2) <= 0.5) & (abs(y - height // 2) <= 0.5)
    longer = np.maximum(_extent(across > 0), _extent(down > 0))  # (N,)
    box = int(np.median(longer))
    alike = centred & (longer == box)
    return box if box < min(height, width) and alike.mean() >= _ALIKE else None


def _extent(inked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how far it is from the first True of each row to the last, both included."""
    return np.asarray(inked.shape[1] - inked.argmax(axis=1) - inked[:, ::-1].argmax(axis=1))


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
