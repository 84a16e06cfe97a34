"""Conversion of a Keras model to the files that engines run, one module per format.

>>> convert(model, VariantSpec("tflite", "int8"), calibration).data
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strop_export.errors import CalibrationError, ConversionError
from strop_export.formats import samples
from strop_export.formats.base import PRECISIONS, Converted, VariantSpec
from strop_export.formats.quiet import quiet

if TYPE_CHECKING:
    import keras

__all__ = ["PRECISIONS", "Converted", "VariantSpec", "convert", "quiet"]


def convert(
    model: keras.Model,
    spec: VariantSpec,
    calibration: np.ndarray,
    *,
    input_name: str = "image",
    output_name: str = "probabilities",
) -> Converted:
    """Convert a Keras model to the format and precision of `spec`.

    The same arguments give the same bytes, in any process.

    Args:
        model: takes one float32 tensor and gives one, of any fixed shape.
        spec: the format and precision, and whether the file is for GPUs too.
        calibration: samples as the device's sensor gives them, uint8 or float32 (N, *input). int8
            files take their ranges from these samples alone, and take uint8 themselves if the
            samples are uint8.
        input_name: the name that the file gives its input.
        output_name: the name that the file gives its output.

    Returns:
        The file, its tensors and what an engine needs to run it.

    Raises:
        CalibrationError: the samples do not fit the model.
        ConversionError: the model cannot be written in this format and precision.
    """
    with quiet():  # importing TensorFlow is as noisy as using it
        from strop_export.formats.graph import check_borders

    check_borders(model)
    if wrong := samples.fault(calibration, tuple(model.input_shape[1:])):
        raise CalibrationError(f"calibration samples: {wrong}")
    names = {"input_name": input_name, "output_name": output_name}
    try:
        with quiet():
            if spec.format == "tflite":
                from strop_export.formats.tflite import convert_tflite

                return convert_tflite(model, spec, calibration, **names)
            if spec.format == "onnx":
                from strop_export.formats.onnx import convert_onnx

                return convert_onnx(model, spec, calibration, **names)
            from strop_export.formats.weights import convert_weights

            return convert_weights(model, **names)
    except ConversionError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConversionError(
            f"the model cannot be written as {spec.precision} {spec.format}: {reason}"
        ) from error
