"""Conversion of a Keras model to the files that engines run, one module per format.

>>> convert(model, VariantSpec("tflite", "int8"), [calibration]).data
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strop_export.errors import CalibrationError, ConversionError
from strop_export.formats.base import (
    PRECISIONS,
    Converted,
    Names,
    Origin,
    Quantization,
    VariantSpec,
)
from strop_export.formats.quiet import quiet
from strop_export.formats.reasons import reason
from strop_export.formats.samples import fault

if TYPE_CHECKING:
    import keras

__all__ = [
    "PRECISIONS",
    "Converted",
    "Names",
    "Origin",
    "Quantization",
    "VariantSpec",
    "convert",
    "quiet",
]


def convert(
    model: keras.Model,
    spec: VariantSpec,
    calibration: Sequence[np.ndarray],
    names: Names | None = None,
    *,
    as_float: bool = False,
) -> Converted:
    """Convert a Keras model to the format and precision of `spec`.

    The same arguments give the same bytes, in any process.

    Args:
        model: its inputs and outputs have fixed shapes, except for the batch.
        spec: the format and precision, and whether the file is for GPUs too.
        calibration: for each input, samples as the device's sensor gives them, (N, *input). int8
            files take their ranges from these samples alone, and their input is uint8 if the
            samples are uint8.
        names: the names of the file's inputs and outputs.
        as_float: write the graph of `spec` in float32: the float twin of its file.

    Returns:
        The file, its tensors and its requirements on an engine.

    Raises:
        CalibrationError: the samples do not fit the model.
        ConversionError: the model cannot be written in this format and precision.
    """
    with quiet():  # importing TensorFlow is as noisy as using it
        from strop_export.formats.graph import check_borders

    check_borders(model)
    names = names or Names()
    for tensor, samples in zip(model.inputs, calibration, strict=True):
        if wrong := fault(samples, tuple(tensor.shape[1:])):
            raise CalibrationError(f"calibration samples: {wrong}")
    try:
        with quiet():
            if spec.format == "tflite":
                from strop_export.formats.tflite import convert_tflite

                return convert_tflite(model, spec, calibration, names, as_float=as_float)
            if spec.format == "onnx":
                from strop_export.formats.onnx import convert_onnx

                return convert_onnx(model, spec, calibration, names, as_float=as_float)
            from strop_export.formats.weights import convert_weights

            return convert_weights(model, names)
    except ConversionError:
        raise
    except Exception as error:
        raise ConversionError(
            f"the model cannot be written as {spec.precision} {spec.format}: {reason(error, model)}"
        ) from error
