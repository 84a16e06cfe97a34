"""Quantized .tflite files, made from one float file with the ranges of its activations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from tensorflow.lite.python.convert import mlir_quantize

from strop_export.formats.base import VariantSpec
from strop_export.formats.flatbuffer import TFLiteFile, with_input_range
from strop_export.formats.graph import simplify
from strop_export.formats.layers import last_layers, numbered
from strop_export.formats.ranges import Histograms
from strop_export.formats.steps import Step, Work, check_known, owners, works

_MOST_STEPS: Final = 128  # of an unrolled recurrent layer: each takes a kilobyte or more
_MOST_VALUES: Final = 2**23  # that wait to be counted

Samples = Sequence[np.ndarray]


class Quantizer:
    """The quantized files of a model, which share one calibration.

    Args:
        model: the model.
        samples: (N, *input) for each input.
    """

    def __init__(self, model: keras.Model, samples: Samples) -> None:
        self._model, self._samples = model, samples
        self._ends = last_layers(model)
        with numbered(model) as names:
            self._names = names
        self._ranged: dict[str, bytes] = {}

    def owners(self, file: TFLiteFile) -> list[str]:
        """Return the layer of each operator of a file that this made."""
        ends = dict(zip(file.output_names, self._ends, strict=True))
        return owners([(step.inputs, step.outputs) for step in file.steps()], self._names, ends)

    def works(self) -> dict[str, Work]:
        """Return the size of each layer, in the order they run."""
        return works(self._steps, self._layers)

    def int8(self, spec: VariantSpec) -> TFLiteFile:
        """Return the int8 or mixed file.

        Float inputs are uint8, with scale 1 and zero point 0, if all their samples are.

        Raises:
            ConversionError: a layer that is to stay in float is not in the file.
        """
        float_layers = spec.quantization.float_layers
        check_known(float_layers, self._layers)
        calibrated = self._with_ranges(spec.quantization.ranges)
        inputs = self._model.inputs
        real = [i for i, tensor in enumerate(inputs) if tensor.dtype == "float32"]
        takes_bytes = bool(real) and all(self._samples[i].dtype == np.uint8 for i in real)
        if takes_bytes:
            # Always 0..255, whatever the samples hold: with scale 1 and zero point 0, raw bytes are
            # the quantized values.
            for i in real:
                calibrated = with_input_range(calibrated, i, 0.0, 255.0)
        data = mlir_quantize(
            calibrated,
            disable_per_channel=not spec.per_channel,
            disable_per_channel_for_dense_layers=not spec.per_channel,
            input_data_type=tf.uint8 if takes_bytes else tf.float32,
            denylisted_nodes=[
                step.outputs[0]
                for step, layer in zip(self._steps, self._layers, strict=True)
                if layer in float_layers
            ],
        )
        return TFLiteFile(data)

    def int16x8(self, *, per_channel: bool) -> TFLiteFile:
        """Return the file of int16 activations and int8 weights, by TensorFlow's older quantizer.

        It leaves in float what it does not know.
        """
        with _converter(self._model, self._samples) as converter:
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
                tf.lite.OpsSet.TFLITE_BUILTINS,
            ]
            converter._experimental_disable_per_channel = not per_channel
            return TFLiteFile(converter.convert())

    @cached_property
    def _calibrated(self) -> bytes:
        with _converter(self._model, self._samples) as converter:
            converter._experimental_calibrate_only = True
            data: bytes = converter.convert()
        return data

    @cached_property
    def _steps(self) -> list[Step]:
        return TFLiteFile(self._calibrated).steps()

    @cached_property
    def _layers(self) -> list[str]:
        return self.owners(TFLiteFile(self._calibrated))

    def _with_ranges(self, method: str) -> bytes:
        if method == "minmax":
            return self._calibrated
        if method not in self._ranged:
            feeds = _feeds(self._samples, self._model.inputs)
            ranges = _ranges(self._calibrated, feeds, method)
            self._ranged[method] = _change_ranges(self._calibrated, ranges)
        return self._ranged[method]


def place(number: int) -> str:
    """Return a name for an input that sorts by its number: TFLite orders inputs by name."""
    return f"strop_{number:03}"


def fixed_batch(graph: keras.Model) -> Any:
    """Return a converter of a model at a batch of 1.

    A batch fixed before conversion keeps SHAPE, STRIDED_SLICE and PACK out of the file. Only
    from_keras_model, of the converter's entry points, freezes a Keras 3 model's variables.
    """
    inputs = [
        keras.Input(batch_shape=(1, *tensor.shape[1:]), dtype=tensor.dtype, name=place(i))
        for i, tensor in enumerate(graph.inputs)
    ]
    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, graph(inputs)))


@contextlib.contextmanager
def _converter(model: keras.Model, samples: Samples) -> Iterator[Any]:
    """Yield a converter that calibrates; the layers are numbered in the block."""
    with numbered(model):
        graph = simplify(model, fold_rescaling=True)
        with unrolled(graph):
            converter = fixed_batch(graph)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _feeds(samples, model.inputs)
            yield converter


@contextlib.contextmanager
def unrolled(model: keras.Model) -> Iterator[None]:
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


def _feeds(samples: Samples, inputs: Sequence[Any]) -> Iterator[dict[str, np.ndarray]]:
    for sample in zip(*samples, strict=True):
        yield {
            place(i): np.asarray(value, tensor.dtype)[np.newaxis]
            for i, (value, tensor) in enumerate(zip(sample, inputs, strict=True))
        }


def _ranges(
    calibrated: bytes, feeds: Iterator[Mapping[str, np.ndarray]], method: str
) -> dict[str, tuple[float, float]]:
    """Run a calibrated file, and find a range for each tensor that has one."""
    file = flatbuffer_utils.read_model_from_bytearray(bytearray(calibrated))
    wanted = {t.name.decode() for t in file.subgraphs[0].tensors if _has_range(t)}
    interpreter = Interpreter(
        model_content=calibrated, experimental_preserve_all_tensors=True, num_threads=1
    )
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    details = interpreter.get_tensor_details()
    indices = {each["name"]: each["index"] for each in details if each["name"] in wanted}
    histograms = Histograms(method)
    waiting: dict[str, list[np.ndarray]] = {name: [] for name in indices}
    count = 0
    for feed in feeds:
        runner(**feed)
        for name, index in indices.items():
            value = interpreter.get_tensor(index)
            waiting[name].append(value)
            count += value.size
        if count > _MOST_VALUES:
            histograms.collect({name: np.stack(values) for name, values in waiting.items()})
            waiting, count = {name: [] for name in indices}, 0
    if count:
        histograms.collect({name: np.stack(values) for name, values in waiting.items()})
    return histograms.ranges()


def _change_ranges(calibrated: bytes, ranges: Mapping[str, tuple[float, float]]) -> bytes:
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(calibrated))
    for tensor in model.subgraphs[0].tensors:
        if _has_range(tensor) and (range_ := ranges.get(tensor.name.decode())):
            tensor.quantization.min, tensor.quantization.max = [range_[0]], [range_[1]]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _has_range(tensor: Any) -> bool:
    return tensor.quantization is not None and tensor.quantization.min is not None
