"""Keras to .tflite: float32, float16, dynamic-range and quantized, at a fixed batch of 1."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from strop_export.errors import ConversionError
from strop_export.formats.base import CALIBRATED, Converted, Names, Quantization, VariantSpec
from strop_export.formats.equalize import Equalizer
from strop_export.formats.flatbuffer import TFLiteFile
from strop_export.formats.graph import simplify
from strop_export.formats.samples import spread
from strop_export.formats.steps import Work, in_float, integer_share
from strop_export.formats.tflite_quantized import Quantizer, fixed_batch


class TFLite:
    """Conversions of one model to .tflite; see `strop_export.formats.convert`.

    Inputs and outputs have the model's dtypes in every precision, with these exceptions: in an int8
    or mixed file (with scale 1 and zero point 0), an int16x8 file and one for GPUs, a float input
    is uint8 if its calibration samples are; in an int8 or mixed file all float inputs or none.

    Args:
        model: a model that takes and returns lists.
        calibration: (N, *input) for each input; quantized files use their values, GPU files their
            dtypes.
        names: the names of the files' inputs and outputs.
        equalizer: makes the model whose scales are balanced.
    """

    def __init__(
        self,
        model: keras.Model,
        calibration: Sequence[np.ndarray],
        names: Names,
        equalizer: Equalizer,
    ) -> None:
        self._model, self._calibration, self._names = model, calibration, names
        self._equalizer = equalizer
        self._quantizers: dict[tuple[int, bool], Quantizer] = {}

    def convert(self, spec: VariantSpec) -> Converted:
        """Convert the model.

        Raises:
            ConversionError: nothing in the file would have its precision.
        """
        if spec.precision not in CALIBRATED:
            quantizer = None
            file = TFLiteFile(_float(self._model, spec))
        else:
            quantizer = self._quantizer(spec.quantization)
            if spec.precision == "int16x8":
                file = quantizer.int16x8(per_channel=spec.per_channel)
            else:
                file = quantizer.int8(spec)
            file.end_in_float()
        if spec.precision != "float32" and not file.is_of(spec.precision):
            raise ConversionError(
                f"TensorFlow left every operator of the {spec.precision} file in float32; the "
                "model has nothing that this precision makes smaller"
            )
        file.free_batch()
        if spec.gpu or spec.precision == "int16x8":
            # A quarter of the transfer to the GPU, which widens them. An int16x8 file has no uint8.
            for i, tensor in enumerate(self._model.inputs):
                if self._calibration[i].dtype == np.uint8 and tensor.dtype == "float32":
                    file.take_bytes(i)
        if not spec.gpu:
            file.drop_flattening()
        steps = file.steps()
        float_layers = in_float(steps, quantizer.owners(file)) if quantizer else ()
        data = file.to_bytes(self._names)
        if spec.precision == "int16x8":
            _run_once(data)
        return Converted(
            data,
            file.inputs,
            file.outputs,
            {"op_versions": file.op_versions()},
            float_layers,
            integer_share(steps),
            self._equalizer.pairs if spec.quantization.equalized else (),
        )

    def works(self, spec: VariantSpec) -> dict[str, Work]:
        """Return the size of each layer of a quantized file, in the order they run."""
        return self._quantizer(spec.quantization).works()

    def _quantizer(self, quantization: Quantization) -> Quantizer:
        samples = spread(self._calibration, quantization.samples)
        key = (len(samples[0]), quantization.equalized)
        if key not in self._quantizers:
            model = self._equalizer.model if quantization.equalized else self._model
            self._quantizers[key] = Quantizer(model, samples)
        return self._quantizers[key]


def _float(model: keras.Model, spec: VariantSpec) -> bytes:
    # float16 keeps the Rescaling: weights / 255 would be subnormal numbers, which a GPU may flush
    # to zero.
    converter = fixed_batch(simplify(model, fold_rescaling=spec.precision != "float16"))
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


def _run_once(data: bytes) -> None:
    """Let LiteRT run a file: TensorFlow writes int16 operators that no kernel computes."""
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
