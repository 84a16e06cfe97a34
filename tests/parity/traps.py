"""Shared parts of the trap tests: our converters' files of the trained models, and their runs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from strop_export.formats import Converted, VariantSpec, convert, quiet

Outputs = NDArray[np.float32]


@functools.cache
def keras_model(artifact: Path) -> Any:
    with quiet():
        import keras

        return keras.models.load_model(artifact / "model.keras")


@functools.cache
def evaluation(artifact: Path) -> dict[str, NDArray[Any]]:
    """inputs uint8 (10000, 28, 28), labels int64 (10000,), outputs float32 (10000, 10)."""
    with np.load(artifact / "evaluation.npz") as content:
        return {name: content[name] for name in content.files}


@functools.cache
def calibration(artifact: Path) -> NDArray[np.uint8]:
    with np.load(artifact / "calibration.npz") as content:
        samples: NDArray[np.uint8] = content["inputs"]
        return samples


@functools.cache
def converted(artifact: Path, format: str, precision: str, per_channel: bool = True) -> Converted:
    spec = VariantSpec(format, precision, per_channel)
    return convert(keras_model(artifact), spec, [calibration(artifact)])


def run_litert(data: bytes, inputs: NDArray[Any]) -> Outputs:
    """Run all samples in one call, by resizing the file's batch of 1."""
    with quiet():
        interpreter = Interpreter(model_content=data, num_threads=1)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], inputs.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], inputs.astype(source["dtype"]))
    interpreter.invoke()
    outputs: Outputs = interpreter.get_tensor(result["index"])
    return outputs


def disagreements(outputs: Outputs, artifact: Path) -> int:
    return int((outputs.argmax(1) != evaluation(artifact)["outputs"].argmax(1)).sum())


def ties(outputs: Outputs) -> int:
    """Find the samples whose two best classes have the same output."""
    second, best = np.sort(outputs, axis=1)[:, -2:].T
    return int((second == best).sum())
