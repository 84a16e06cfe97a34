"""The model as the app sees it: names, shapes, dtypes, ranges, labels, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import ImageSpec, TensorSpec, is_printable
from strop_export.errors import SourceError

if TYPE_CHECKING:
    import keras

INPUT, OUTPUT = "image", "probabilities"


def input_spec(calibration: NDArray[Any], image: Mapping[str, Any] | None) -> TensorSpec:
    """Describe the input: the shape, dtype and range of the calibration samples.

    Args:
        calibration: (N, ...), uint8 for pixels 0..255, float32 for anything else.
        image: what training recorded about pictures (`background`), or None.
    """
    shape = calibration.shape[1:]
    if calibration.dtype == np.uint8:
        limits = (0.0, 255.0)
    else:
        limits = (float(calibration.min()), float(calibration.max()))
    return TensorSpec(
        name=INPUT,
        shape=(None, *shape),
        dtype=calibration.dtype.name,
        range=limits,
        image=_image_spec(shape, calibration.dtype, image),
    )


def _image_spec(
    shape: tuple[int, ...], dtype: np.dtype[Any], said: Mapping[str, Any] | None
) -> ImageSpec | None:
    """Describe how to prepare pictures: as training recorded it, else by the shape of the samples.

    Returns:
        None unless the samples are pictures: uint8 (height, width), or with 1 or 3 channels last.
    """
    if dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        return None
    mode = "RGB" if shape[2:] == (3,) else "L"
    background = str(said.get("background", "any")) if said else "any"
    return ImageSpec(mode=mode, width=shape[1], height=shape[0], background=background)


def output_spec(model: keras.Model, label_file: Path | None, said: Any) -> TensorSpec:
    """Describe the output: float32 (N, classes), with one label for each class.

    Args:
        model: the Keras model.
        label_file: a text file with one label per line; it takes precedence over `said`.
        said: the labels that training recorded, or None; without either, labels are numbers.

    Raises:
        SourceError: the labels cannot be read, or are not one for each class.
    """
    classes = int(model.outputs[0].shape[-1])
    activation = getattr(getattr(model.layers[-1], "activation", None), "__name__", "")
    return TensorSpec(
        name=OUTPUT,
        shape=(None, classes),
        dtype="float32",
        range=(0.0, 1.0) if activation in ("softmax", "sigmoid") else None,
        labels=_labels(label_file, said, classes),
    )


def _labels(path: Path | None, said: Any, classes: int) -> tuple[str, ...]:
    """Return one label for each class: from a text file, from training, or plain numbers."""
    if path is not None:
        try:
            # As editors leave it: with a byte-order mark, blanks at ends, an empty last line.
            text = path.read_text(encoding="utf-8-sig").rstrip()
            labels = tuple(line.rstrip() for line in text.splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"cannot read the label file {path}: {error}") from None
        where = str(path)
    elif said is not None:
        labels, where = tuple(str(label) for label in said), "training.json"
    else:
        return tuple(str(i) for i in range(classes))
    unprintable = not all(map(is_printable, labels))
    if len(labels) != classes or len(set(labels)) != classes or "" in labels or unprintable:
        raise SourceError(
            f"{where} has {len(labels)} labels; the model has {classes} classes, and wants a "
            "different, non-empty, printable label for each"
        )
    return labels
