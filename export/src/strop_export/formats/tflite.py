"""Keras to .tflite: float32, float16, dynamic-range and full int8, at a fixed batch of 1."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize

from strop_export.formats.base import Converted, VariantSpec
from strop_export.formats.flatbuffer import TFLiteFile, with_input_range
from strop_export.formats.graph import simplify


def convert_tflite(
    model: keras.Model,
    spec: VariantSpec,
    calibration: np.ndarray,
    *,
    input_name: str,
    output_name: str,
) -> Converted:
    """Convert `model` to a .tflite file; see `strop_export.formats.convert`.

    The input is float32 (1, ...) and the output float32 (1, ...), whatever the precision between
    them. The input is uint8, where the calibration samples are, in an int8 file (with scale 1 and
    zero point 0) and in one for GPUs.

    Args:
        model: takes one float32 tensor and gives one.
        spec: the precision, the scales of the weights, and whether the file is for GPUs too.
        calibration: uint8 or float32 (N, *input); int8 files use its values, GPU files its dtype.
        input_name: the name that the file gives its input.
        output_name: the name that the file gives its output.
    """
    # float16 keeps the Rescaling: weights / 255 would sink into its subnormal numbers, which
    # a GPU may take for zero.
    graph = simplify(model, fold_rescaling=spec.precision != "float16")
    # A batch fixed before conversion keeps SHAPE, STRIDED_SLICE and PACK out of the file. Of the
    # converter's entries only from_keras_model freezes the variables of a Keras 3 model.
    inputs = keras.Input(batch_shape=(1, *model.input_shape[1:]), dtype="float32")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, graph(inputs)))
    if spec.precision == "int8":
        file = TFLiteFile(_int8(converter, spec, calibration))
        file.end_in_float()
    else:
        file = TFLiteFile(_float(converter, spec))
    file.free_batch()
    if spec.gpu:
        if calibration.dtype == np.uint8:
            file.take_bytes()  # a quarter of what would cross the bus; the GPU widens them
    else:
        file.drop_flattening()
    data = file.to_bytes(input_name, output_name)
    return Converted(data, (file.input,), (file.output,), {"op_versions": file.op_versions()})


def _float(converter: Any, spec: VariantSpec) -> bytes:
    if spec.precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if spec.precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if spec.precision == "dynamic":
        # Two switches: dense layers have their own, and are what tflite-runtime 2.14 trips over.
        converter._experimental_disable_per_channel = not spec.per_channel
        converter._experimental_disable_per_channel_quantization_for_dense_layers = (
            not spec.per_channel
        )
    data: bytes = converter.convert()
    return data


def _int8(converter: Any, spec: VariantSpec, calibration: np.ndarray) -> bytes:
    """Calibrate, then quantize; `converter.convert()` does both, but allows no change between."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _samples(calibration)
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    takes_bytes = calibration.dtype == np.uint8
    if takes_bytes:
        # Whatever the brightest sample was: with scale 1 and zero point 0, raw bytes are the
        # quantized values.
        calibrated = with_input_range(calibrated, 0.0, 255.0)
    data: bytes = mlir_quantize(
        calibrated,
        disable_per_channel=not spec.per_channel,
        disable_per_channel_for_dense_layers=not spec.per_channel,
        input_data_type=tf.uint8 if takes_bytes else tf.float32,
    )
    return data


def _samples(calibration: np.ndarray) -> Iterator[list[np.ndarray]]:
    for sample in calibration:
        yield [sample[np.newaxis].astype(np.float32)]
