"""Recurrent layers in int8: unrolled, so that TensorFlow's converter does not crash."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from strop_export.formats import Converted, VariantSpec, convert, quiet
from strop_export.formats.flatbuffer import TFLiteFile
from tests.unit.export.formats_kit import run_tflite

with quiet():
    import keras

    from strop_export.formats import tflite_quantized

layers = keras.layers
KINDS = {
    "gru": lambda: layers.GRU(16),
    "lstm": lambda: layers.LSTM(16),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(8)),
    "simple": lambda: layers.SimpleRNN(16),
}


@functools.cache
def model(kind: str, steps: int = 12) -> Any:
    keras.utils.set_random_seed(7)
    stack = [keras.Input((steps, 5)), KINDS[kind](), layers.Dense(3, "softmax")]
    return keras.Sequential(stack)


def series(steps: int = 12) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(60, steps, 5)).astype(np.float32)


@functools.cache
def int8(kind: str) -> Converted:
    return convert(model(kind), VariantSpec("tflite", "int8"), [series()])


@pytest.mark.parametrize("kind", KINDS)
def test_int8_is_the_same_model(kind: str) -> None:
    keras_says = np.asarray(model(kind)(series()))
    ours = run_tflite(int8(kind).data, series())
    assert (ours.argmax(axis=1) == keras_says.argmax(axis=1)).mean() > 0.9
    assert np.sqrt(((ours - keras_says) ** 2).mean()) < 0.1 * keras_says.std()


@pytest.mark.parametrize("kind", KINDS)
def test_its_steps_are_written_out_in_integers(kind: str) -> None:
    file = TFLiteFile(int8(kind).data)
    assert "WHILE" not in file.operators
    assert file.operators.count("FULLY_CONNECTED") >= 12
    assert file.is_of("int8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_are_left_as_they_were(kind: str) -> None:
    int8(kind)
    inside = model(kind)._flatten_layers(include_self=False)
    recurrent = [layer for layer in inside if isinstance(layer, layers.RNN)]
    assert recurrent
    assert not any(layer.unroll for layer in recurrent)


def test_they_are_even_if_it_fails() -> None:
    def unrolled() -> bool:
        return bool(model("gru").layers[0].unroll)

    def fail() -> None:
        with tflite_quantized.unrolled(model("gru")):
            assert unrolled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not unrolled()


@pytest.mark.parametrize(("steps", "unrolls"), [(128, True), (129, False)])
def test_only_so_many_steps_are(steps: int, unrolls: bool) -> None:
    long = model("gru", steps)
    with tflite_quantized.unrolled(long):
        assert long.layers[0].unroll == unrolls


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_other_precisions_keep_the_loop(format: str, precision: str) -> None:
    file = convert(model("gru"), VariantSpec(format, precision), [series()])
    assert len(file.data) < 40_000
    if format == "tflite":
        keras_says = np.asarray(model("gru")(series()))
        np.testing.assert_allclose(run_tflite(file.data, series()), keras_says, atol=5e-3)
