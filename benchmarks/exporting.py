"""`python -m benchmarks.exporting FORMAT PRECISION MODEL CALIBRATION OUT`: an export by hand.

It converts one file as the documentation of TensorFlow, tf2onnx and ONNX Runtime shows, without a
proof, as a script without Strop would. Only its time matters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np


def tflite(model: Any, precision: str, samples: Any, out: Path) -> None:
    """Convert through TensorFlow's converter.

    Args:
        model: a Keras model.
        precision: float32, float16, dynamic or int8.
        samples: calibration samples, uint8 or float32 (N, ...); only int8 uses them.
        out: the .tflite file to write.
    """
    import tensorflow as tf

    def representative() -> Iterator[list[Any]]:
        for sample in samples:
            yield [sample[np.newaxis].astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    out.write_bytes(converter.convert())


def onnx(model: Any, precision: str, samples: Any, out: Path) -> None:
    """Convert through tf2onnx, and ONNX Runtime's quantizer.

    Args:
        model: a Keras model.
        precision: float32 or int8.
        samples: calibration samples, uint8 or float32 (N, ...); only int8 uses them.
        out: the .onnx file to write.
    """
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")]
    function = tf.function(lambda image: model(image, training=False), input_signature=signature)
    with TemporaryDirectory() as folder:
        wide = Path(folder, "wide.onnx") if precision == "int8" else out
        tf2onnx.convert.from_function(function, input_signature=signature, output_path=str(wide))
        if precision == "int8":
            _quantize(wide, samples, out)


def _quantize(wide: Path, samples: Any, out: Path) -> None:
    from onnxruntime import quantization

    feeds = iter([{"image": sample[np.newaxis].astype(np.float32)} for sample in samples])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            return next(feeds, None)

    quantization.quantize_static(str(wide), str(out), Reader(), per_channel=True)


FORMATS = {"tflite": tflite, "onnx": onnx}


def main() -> None:
    """Convert one file, by the command line's arguments."""
    form, precision, model, calibration, out = sys.argv[1:]
    with np.load(calibration) as content:
        samples = content["inputs"]
    FORMATS[form](keras.models.load_model(model), precision, samples, Path(out))


if __name__ == "__main__":
    main()
