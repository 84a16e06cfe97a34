"""Keras to .tflite: float32, float16, dynamic-range and full int8, at a fixed batch of 1."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize

from strop_export.errors import ConversionError
from strop_export.formats.base import CALIBRATED, Converted, Names, VariantSpec
from strop_export.formats.flatbuffer import TFLiteFile, with_input_range
from strop_export.formats.graph import simplify
from strop_export.formats.layers import numbered, origin_of

_MOST_STEPS = 128  # of an unrolled recurrent layer: each takes a kilobyte or more


def convert_tflite(
    model: keras.Model,
    spec: VariantSpec,
    calibration: Sequence[np.ndarray],
    names: Names,
    *,
    as_float: bool = False,
) -> Converted:
    """Convert `model` to a .tflite file; see `strop_export.formats.convert`.

    Inputs and outputs have the model's dtypes in every precision, with one exception: in an int8
    file (with scale 1 and zero point 0) and in one for GPUs, a float input is uint8 if its
    calibration samples are; in an int8 file all float inputs or none.

    Args:
        model: a model that takes and returns lists.
        spec: the precision, the scales of the weights, and whether the file is for GPUs too.
        calibration: (N, *input) for each input; int8 files use their values, GPU files their
            dtypes.
        names: the names of the file's inputs and outputs.
        as_float: write the graph of `spec` in float32: the float twin of its file.

    Raises:
        ConversionError: nothing in the file would have its precision.
    """
    with numbered(model) as layers:
        file = _converted(model, spec, calibration, as_float=as_float)
    if not as_float and spec.precision != "float32" and not file.is_of(spec.precision):
        raise ConversionError(
            f"TensorFlow left every operator of the {spec.precision} file in float32; the model "
            "has nothing that this precision makes smaller"
        )
    file.free_batch()
    if spec.gpu:
        # A quarter of the transfer to the GPU, which widens them.
        for i, tensor in enumerate(model.inputs):
            if calibration[i].dtype == np.uint8 and tensor.dtype == "float32":
                file.take_bytes(i)
    else:
        file.drop_flattening()
    data = file.to_bytes(names)
    return Converted(
        data,
        file.inputs,
        file.outputs,
        {"op_versions": file.op_versions()},
        {own: origin_of(old, layers) for own, old in file.origins.items()},
    )


def _converted(
    model: keras.Model, spec: VariantSpec, calibration: Sequence[np.ndarray], *, as_float: bool
) -> TFLiteFile:
    """Let TensorFlow convert the model; an int8 file ends in float."""
    # float16 keeps the Rescaling: weights / 255 would be subnormal numbers, which a GPU may flush
    # to zero.
    graph = simplify(model, fold_rescaling=spec.precision != "float16")
    # A batch fixed before conversion keeps SHAPE, STRIDED_SLICE and PACK out of the file. Only
    # from_keras_model, of the converter's entry points, freezes a Keras 3 model's variables.
    inputs = [
        keras.Input(batch_shape=(1, *tensor.shape[1:]), dtype=tensor.dtype, name=_place(i))
        for i, tensor in enumerate(model.inputs)
    ]
    calibrated = spec.precision in CALIBRATED
    with _unrolled(graph) if calibrated else contextlib.nullcontext():
        converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, graph(inputs)))
        if as_float:
            return TFLiteFile(converter.convert())
        if not calibrated:
            return TFLiteFile(_float(converter, spec))
        file = TFLiteFile(_int8(converter, spec, calibration, model.inputs))
    file.end_in_float()
    return file


@contextlib.contextmanager
def _unrolled(model: keras.Model) -> Iterator[None]:
    """Unroll recurrent layers for the block, if none has more than `_MOST_STEPS` steps.

    TensorFlow's int8 conversion of their loop ends the process by SIGSEGV (tensorflow#41305).
    """
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.RNN) and not layer.unroll
    ]
    steps = [node.input_tensors[0].shape[1] for x in layers for node in x._inbound_nodes[-1:]]
    if any(step is None or step > _MOST_STEPS for step in steps):
        layers = []
    try:
        for layer in layers:
            layer.unroll = True
        yield
    finally:
        for layer in layers:
            layer.unroll = False


def _place(number: int) -> str:
    """Return a name for an input that sorts by its number: TFLite orders inputs by name."""
    return f"strop_{number:03}"


def _float(converter: Any, spec: VariantSpec) -> bytes:
    if spec.precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if spec.precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if spec.precision == "dynamic":
        # Dense layers have their own switch; tflite-runtime 2.14 fails on per-channel ones.
        converter._experimental_disable_per_channel = not spec.per_channel
        converter._experimental_disable_per_channel_quantization_for_dense_layers = (
            not spec.per_channel
        )
    data: bytes = converter.convert()
    return data


def _int8(
    converter: Any, spec: VariantSpec, calibration: Sequence[np.ndarray], inputs: Sequence[Any]
) -> bytes:
    """Calibrate, then quantize: `converter.convert()` does both, but allows no change between."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _samples(calibration, inputs)
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    real = [i for i, tensor in enumerate(inputs) if tensor.dtype == "float32"]
    takes_bytes = bool(real) and all(calibration[i].dtype == np.uint8 for i in real)
    if takes_bytes:
        # Always 0..255, whatever the samples hold: with scale 1 and zero point 0, raw bytes are
        # the quantized values.
        for i in real:
            calibrated = with_input_range(calibrated, i, 0.0, 255.0)
    data: bytes = mlir_quantize(
        calibrated,
        disable_per_channel=not spec.per_channel,
        disable_per_channel_for_dense_layers=not spec.per_channel,
        input_data_type=tf.uint8 if takes_bytes else tf.float32,
    )
    return data


def _samples(
    calibration: Sequence[np.ndarray], inputs: Sequence[Any]
) -> Iterator[dict[str, np.ndarray]]:
    for sample in zip(*calibration, strict=True):
        yield {
            _place(i): np.asarray(value, tensor.dtype)[np.newaxis]
            for i, (value, tensor) in enumerate(zip(sample, inputs, strict=True))
        }
