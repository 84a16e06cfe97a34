"""Conversion of a Keras model to the files that engines run, one module per format.

>>> convert(model, VariantSpec("tflite", "int8"), [calibration]).data
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strop_export.formats.base import (
    PRECISIONS,
    Converted,
    Names,
    Quantization,
    Ranked,
    VariantSpec,
)
from strop_export.formats.conversions import Conversions
from strop_export.formats.quiet import quiet

if TYPE_CHECKING:
    import keras

__all__ = [
    "PRECISIONS",
    "Conversions",
    "Converted",
    "Names",
    "Quantization",
    "Ranked",
    "VariantSpec",
    "convert",
    "quiet",
]


def convert(
    model: keras.Model,
    spec: VariantSpec,
    calibration: Sequence[np.ndarray],
    names: Names | None = None,
) -> Converted:
    """Convert a Keras model to one format and precision; see `Conversions`."""
    return Conversions(model, calibration, names).convert(spec)
