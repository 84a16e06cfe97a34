"""Models that declare inputs of bytes, and convert them inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export.formats import Conversions, VariantSpec, quiet

with quiet():
    import keras

    from strop_export.formats.byte_inputs import with_float_inputs

    layers, ops = keras.layers, keras.ops

FLOAT, INT8 = "float32", "int8"
SHAPE = (12, 12, 1)


def _head(hidden: Any) -> Any:
    hidden = layers.Conv2D(4, 3, activation="relu")(hidden)
    return layers.Dense(3, activation="softmax")(layers.Flatten()(hidden))


def _twice(bytes_: Any) -> Any:
    return ops.cast(bytes_ + bytes_, "float32")


def _shared(pixels: Any) -> Any:
    scaled = layers.Rescaling(1 / 255)(pixels)
    convolved = layers.Conv2D(2, 3, padding="same")(scaled)
    return _head(layers.Concatenate()([convolved, scaled]))


CONVERTED: dict[str, Callable[[Any], Any]] = {
    "Rescaling": lambda pixels: _head(layers.Rescaling(1 / 255)(pixels)),
    "Rescaling, offset": lambda pixels: _head(layers.Rescaling(1 / 127.5, -1.0)(pixels)),
    "Rescaling, read twice": _shared,
    "Normalization": lambda p: _head(layers.Normalization(mean=100.0, variance=900.0)(p)),
    "cast": lambda pixels: _head(ops.cast(pixels, "float32") / 255.0),
    "division": lambda pixels: _head(pixels / 255.0),
    "subtraction": lambda pixels: _head((pixels - 127.5) * (1 / 127.5)),
    "padding": lambda p: _head(layers.Rescaling(1 / 255)(layers.ZeroPadding2D(1)(p))),
    "pooling": lambda p: _head(layers.Rescaling(1 / 255)(layers.MaxPooling2D()(p))),
    "cropping": lambda p: _head(layers.Rescaling(1 / 255)(layers.Cropping2D(1)(p))),
    "transposition": lambda p: _head(layers.Rescaling(1 / 255)(layers.Permute((2, 1, 3))(p))),
    "Dense": lambda p: layers.Dense(3)(layers.Flatten()(p)),
}


class Divide(keras.layers.Layer):  # type: ignore[misc]
    """A layer with the name of an operation, which computes with bytes."""

    def call(self, pixels: Any) -> Any:
        return ops.cast(pixels + pixels, "float32") / 2.0


KEPT: dict[str, Callable[[Any], Any]] = {  # TensorFlow Lite knows no arithmetic of bytes
    "division of integers": lambda p: _head(ops.cast(p // 16, "float32")),
    "sum": lambda p: _head(ops.cast(p + p, "float32")),
    "sum of padded bytes": lambda p: _head(_twice(layers.ZeroPadding2D()(p))),
    "layer": lambda p: _head(Divide()(p)),
    "half floats": lambda p: _head(layers.ZeroPadding2D(dtype="float16")(p) / 255.0),
    "division by a half float": lambda p: _head(ops.divide(p, np.float16(3))),
    "int32": lambda p: _head(ops.cast(ops.cast(p, "int32") // 16, "float32")),
}
WRITTEN: dict[str, Callable[[Any], Any]] = {
    "Embedding": lambda p: layers.Dense(3)(
        layers.Flatten()(layers.Embedding(256, 2)(layers.Flatten()(p)))
    ),
    "half Embedding": lambda p: layers.Dense(3)(
        layers.Concatenate()(
            [
                layers.Flatten()(layers.Embedding(256, 2)(layers.Flatten()(p))),
                layers.Rescaling(1 / 255)(layers.Flatten()(p)),
            ]
        )
    ),
    "inner model": lambda p: keras.Sequential(
        [layers.Rescaling(1 / 255), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
    )(p),
}


def _samples(dtype: str) -> NDArray[Any]:
    low, high = (-128, 128) if dtype == "int8" else (0, 256)
    return np.random.default_rng(1).integers(low, high, (60, *SHAPE)).astype(dtype)


def _model(build: Callable[[Any], Any], dtype: str) -> keras.Model:
    keras.utils.set_random_seed(1)
    pixels = keras.Input(SHAPE, dtype=dtype, name="pixels")
    return keras.Model(pixels, build(pixels))


@pytest.mark.parametrize("build", CONVERTED.values(), ids=CONVERTED)
def test_its_files_answer_as_keras_does(build: Callable[[Any], Any]) -> None:
    model, samples = _model(build, "uint8"), _samples("uint8")
    expected = np.asarray(model(samples, training=False))
    conversions = Conversions(model, [samples])
    assert model.inputs[0].dtype == "uint8", "the given model is not changed"
    for format in ("tflite", "onnx"):
        for precision, atol in ((FLOAT, 1e-5), (INT8, 0.1)):
            spec = VariantSpec(format, precision)
            (found,) = conversions.answers(spec)
            np.testing.assert_allclose(found, expected, rtol=0, atol=atol * np.abs(expected).max())
            (tensor,) = conversions.convert(spec).inputs
            assert tensor.dtype == ("uint8" if precision == INT8 else "float32")


def test_its_files_are_those_of_a_float_input_to_the_byte() -> None:
    models = []
    for dtype in ("uint8", "float32"):
        keras.backend.clear_session()  # the same names again
        models.append(_model(CONVERTED["Rescaling, offset"], dtype))
    found, expected = (Conversions(model, [_samples("uint8")]) for model in models)
    for format in ("tflite", "onnx"):
        for precision in (FLOAT, INT8):
            spec = VariantSpec(format, precision)
            assert found.convert(spec).data == expected.convert(spec).data


def test_a_fixed_batch_stays() -> None:
    pixels = keras.Input(batch_shape=(1, *SHAPE), dtype="uint8")
    found = with_float_inputs(keras.Model(pixels, layers.Rescaling(1 / 255)(pixels)))
    assert (found.inputs[0].dtype, found.inputs[0].shape) == ("float32", (1, *SHAPE))


@pytest.mark.parametrize("build", KEPT.values(), ids=KEPT)
def test_what_reads_bytes_gets_bytes(build: Callable[[Any], Any]) -> None:
    assert with_float_inputs(_model(build, "uint8")).inputs[0].dtype == "uint8"


@pytest.mark.parametrize("build", WRITTEN.values(), ids=WRITTEN)
def test_files_too_take_such_bytes(build: Callable[[Any], Any]) -> None:
    model, samples = _model(build, "uint8"), _samples("uint8")
    spec = VariantSpec("tflite", FLOAT)
    conversions = Conversions(model, [samples])
    (found,) = conversions.answers(spec)
    np.testing.assert_allclose(found, model(samples, training=False), rtol=0, atol=1e-4)
    assert conversions.convert(spec).inputs[0].dtype == "uint8"


def test_an_input_that_is_an_output_too_stays() -> None:
    pixels = keras.Input(SHAPE, dtype="uint8")
    model = keras.Model(pixels, [layers.Rescaling(1 / 255)(pixels), layers.ZeroPadding2D()(pixels)])
    assert with_float_inputs(model).inputs[0].dtype == "uint8"


def test_each_input_is_judged_alone() -> None:
    pixels = keras.Input(SHAPE, dtype="uint8", name="pixels")
    word = keras.Input((1,), dtype="uint8", name="word")
    parts = [
        layers.Flatten()(layers.Rescaling(1 / 255)(pixels)),
        layers.Flatten()(layers.Embedding(256, 2)(word)),
    ]
    model = keras.Model([pixels, word], layers.Dense(3)(layers.Concatenate()(parts)))
    assert [tensor.dtype for tensor in with_float_inputs(model).inputs] == ["float32", "uint8"]


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_a_rescaling_of_other_integers_reaches_a_convolution(dtype: str) -> None:
    model, samples = _model(CONVERTED["Rescaling, offset"], dtype), _samples(dtype)
    expected = np.asarray(model(samples, training=False))
    conversions = Conversions(model, [samples])
    for format in ("tflite", "onnx"):
        for precision, atol in ((FLOAT, 1e-5), (INT8, 0.1)):
            spec = VariantSpec(format, precision)
            (found,) = conversions.answers(spec)
            np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
            assert conversions.convert(spec).inputs[0].dtype == dtype
