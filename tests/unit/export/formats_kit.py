"""Small random Keras models of several kinds, with cached conversions, and runs of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from strop_export.formats import Converted, VariantSpec, convert, quiet

with quiet():
    import keras

Samples = NDArray[Any]
KINDS = ("mlp", "vector", "cnn", "linear", "table")


@functools.cache
def model(kind: str) -> Any:
    """mlp: raw 6x5 bytes, sigmoid. vector: 13 floats. cnn: raw 8x8x1. linear: no activation.

    table: a Normalization for each of 6 columns, and GELU.
    """
    keras.utils.set_random_seed(7)
    layers = keras.layers
    stacks = {
        "mlp": [
            keras.Input((6, 5)),
            layers.Rescaling(1 / 255, offset=-0.5),
            layers.Flatten(),
            layers.Dense(40, "relu", bias_initializer="normal", name="wide"),
            layers.Dropout(0.5),
            layers.Dense(8, "relu", bias_initializer="normal", name="narrow"),
            layers.Dense(2, "sigmoid", bias_initializer="normal"),
        ],
        "vector": [keras.Input((13,)), layers.Dense(9, "relu"), layers.Dense(4, "softmax")],
        "cnn": [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ],
        "table": [
            keras.Input((6,)),
            layers.Normalization(mean=[0.5, 0, -0.5, 1, 0, 0], variance=[1, 2, 1, 0.5, 1, 4]),
            layers.Dense(16, "gelu"),
            layers.Dense(3, "softmax"),
        ],
        "linear": [keras.Input((10,)), layers.Dense(24, "relu"), layers.Dense(5)],
    }
    return keras.Sequential(stacks[kind])


@functools.cache
def samples(kind: str) -> Samples:
    """100 inputs as the sensor gives them: bytes below 255 for mlp and cnn."""
    shape = (100, *model(kind).input_shape[1:])
    random = np.random.default_rng(1)
    if kind in ("mlp", "cnn"):
        return random.integers(0, 201, shape).astype(np.uint8)
    return random.normal(size=shape).astype(np.float32)


@functools.cache
def expected(kind: str) -> NDArray[np.float32]:
    outputs: NDArray[np.float32] = model(kind)(samples(kind).astype(np.float32)).numpy()
    return outputs


@functools.cache
def converted(
    kind: str, format: str, precision: str, per_channel: bool = True, gpu: bool = False
) -> Converted:
    spec = VariantSpec(format, precision, per_channel, gpu=gpu)
    return convert(model(kind), spec, [samples(kind)])


def run_tflite(data: bytes, inputs: Samples) -> NDArray[np.float32]:
    """Run one sample at a time, at the file's own batch of 1."""
    with quiet():
        interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for sample in inputs.astype(source["dtype"]):
        interpreter.set_tensor(source["index"], sample[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]))
    return np.concatenate(outputs)


def run_onnx(data: bytes, inputs: Samples) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    dtype = np.uint8 if source.type == "tensor(uint8)" else np.float32
    outputs: NDArray[np.float32] = session.run(None, {source.name: inputs.astype(dtype)})[0]
    return outputs
