"""The trained model of an artifact, ready to be converted, and its test images."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export.formats import Conversions, quiet

with quiet():
    import keras

Array = NDArray[Any]


@functools.cache
def conversions(artifact: Path) -> Conversions:
    with np.load(artifact / "calibration.npz") as calibration:
        net = keras.models.load_model(artifact / "model.keras")
        return Conversions(net, [calibration["inputs"]])


def images(artifact: Path) -> Array:
    with np.load(artifact / "evaluation.npz") as evaluation:
        return np.asarray(evaluation["inputs"])
