"""Keras to .tflite: float32, float16, dynamic-range and full int8, at a fixed batch of 1."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.errors import ConversionError
from export.formats.base import Converted, VariantSpec
from export.formats.flatbuffer import TFLiteFile
from export.formats.graph import simplify


class _RawBytes(keras.layers.Layer):  # type: ignore[misc]
    """Pins the range of the input to that of a byte.

    Without it the scale of the int8 file's input is the brightest calibration sample / 255,
    and only with scale 1 and zero point 0 are raw bytes the quantized values.
    """

    def call(self, inputs: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(inputs, 0.0, 255.0)


def convert_tflite(
    model: keras.Model,
    spec: VariantSpec,
    calibration: np.ndarray,
    *,
    input_name: str,
    output_name: str,
) -> Converted:
    """Write ``model`` as a .tflite file; see :func:`export.formats.convert`.

    Input float32 ``(1, ...)``, output float32 ``(1, ...)``, whatever the precision between;
    int8 takes uint8 with scale 1 and zero point 0 where the calibration samples are uint8.
    """
    raw_bytes = spec.precision == "int8" and calibration.dtype == np.uint8
    # float16 keeps the Rescaling: weights / 255 would sink into its subnormal numbers, which
    # a GPU may take for zero.
    graph = simplify(model, fold_rescaling=spec.precision != "float16")
    # A batch fixed before conversion keeps SHAPE, STRIDED_SLICE and PACK out of the file. Of the
    # converter's entries only from_keras_model freezes the variables of a Keras 3 model.
    inputs = keras.Input(batch_shape=(1, *model.input_shape[1:]), dtype="float32")
    fixed = keras.Model(inputs, graph(_RawBytes()(inputs) if raw_bytes else inputs))
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    _configure(converter, spec, calibration)
    file = TFLiteFile(converter.convert())
    if spec.precision == "int8":
        file.float_head()
    file.drop_flattening()
    file.name_borders(input_name, output_name)
    data = file.to_bytes()
    if raw_bytes and (file.input.scale, file.input.zero_point) != (1.0, 0):
        raise ConversionError(
            f"the int8 file would take bytes with scale {file.input.scale} and zero point "
            f"{file.input.zero_point} where raw bytes need 1 and 0; calibrate with float32 samples"
        )
    return Converted(data, (file.input,), (file.output,), {"op_versions": file.op_versions()})


def _configure(converter: Any, spec: VariantSpec, calibration: np.ndarray) -> None:
    if spec.precision == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # TensorFlow's own switch for dense layers is separate, and new: the FULLY_CONNECTED it
    # writes for per-channel dynamic files is too new for tflite-runtime 2.14.
    converter._experimental_disable_per_channel = not spec.per_channel
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not spec.per_channel
    if spec.precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if spec.precision == "int8":
        converter.representative_dataset = lambda: _samples(calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if calibration.dtype == np.uint8:
            converter.inference_input_type = tf.uint8


def _samples(calibration: np.ndarray) -> Iterator[list[np.ndarray]]:
    for sample in calibration:
        yield [sample[np.newaxis].astype(np.float32)]
