"""Several inputs and outputs in one file: in the model's order, with their own dtypes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from strop_export.errors import ConversionError, UnsupportedLayer
from strop_export.formats import Converted, Names, VariantSpec, convert, quiet

with quiet():
    import keras

layers = keras.layers
TOLERANCE = {"float32": 1e-5, "float16": 5e-3, "dynamic": 0.05, "int8": 0.06}
CASES = [("tflite", p) for p in TOLERANCE] + [("onnx", p) for p in TOLERANCE if p != "dynamic"]


def _two() -> Any:
    """Two inputs whose names TFLite would sort in the opposite order."""
    a, b = keras.Input((40,), name="zebra"), keras.Input((6,), name="ant")
    both = layers.Concatenate()([layers.Dense(32, "relu")(a), layers.Dense(8, "relu")(b)])
    hidden = layers.Dense(32, "relu")(both)
    outputs = [layers.Dense(3, "softmax", name="yak")(hidden), layers.Dense(2, name="bee")(hidden)]
    return keras.Model([a, b], outputs)


def _many() -> Any:
    """Twelve outputs: sorted as text, the eleventh comes after the first."""
    inputs = keras.Input((20,), name="x")
    hidden = layers.Dense(60, "relu")(inputs)
    outputs = [layers.Dense(i + 1, name=f"out_{11 - i}")(hidden) for i in range(12)]
    return keras.Model(inputs, outputs)


def _words() -> Any:
    """Integers and bytes."""
    words = keras.Input((5,), dtype="int32", name="words")
    image = keras.Input((6, 6), name="image")
    seen = layers.Dense(32, "relu")(layers.Flatten()(layers.Rescaling(1 / 255)(image)))
    said = layers.GlobalAveragePooling1D()(layers.Embedding(30, 40)(words))
    return keras.Model(
        [words, image], layers.Dense(3, "softmax")(layers.Concatenate()([said, seen]))
    )


def _mixed() -> Any:
    """Bytes and floats."""
    image, scales = keras.Input((8, 8), name="image"), keras.Input((4,), name="scales")
    seen = layers.Dense(32, "relu")(layers.Flatten()(layers.Rescaling(1 / 255)(image)))
    both = layers.Concatenate()([seen, layers.Dense(8, "relu")(scales)])
    return keras.Model([image, scales], layers.Dense(3, "softmax")(both))


MODELS = {"two": _two, "many": _many, "words": _words, "mixed": _mixed}


@functools.cache
def model(kind: str) -> Any:
    keras.utils.set_random_seed(7)
    return MODELS[kind]()


@functools.cache
def samples(kind: str) -> tuple[np.ndarray, ...]:
    """Samples as the sensors give them."""
    random = np.random.default_rng(1)
    given = []
    for tensor in model(kind).inputs:
        shape = (50, *tensor.shape[1:])
        if tensor.dtype == "int32":
            given.append(random.integers(0, 30, shape).astype(np.int32))
        elif tensor.name == "image":
            given.append(random.integers(0, 256, shape).astype(np.uint8))
        else:
            given.append(random.normal(size=shape).astype(np.float32))
    return tuple(given)


@functools.cache
def converted(kind: str, format: str, precision: str, gpu: bool = False) -> Converted:
    spec = VariantSpec(format, precision, gpu=gpu)
    return convert(model(kind), spec, samples(kind), names(kind))


def names(kind: str) -> Names:
    return Names(
        tuple(f"in {tensor.name}" for tensor in model(kind).inputs),
        tuple(f"out {i}" for i, _ in enumerate(model(kind).outputs)),
    )


@functools.cache
def expected(kind: str) -> list[np.ndarray]:
    given = [a.astype(t.dtype) for a, t in zip(samples(kind), model(kind).inputs, strict=True)]
    answers = model(kind)(given if len(given) > 1 else given[0])
    return [np.asarray(answer) for answer in keras.tree.flatten(answers)]


def run(format: str, file: Converted, given: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run by the file's names, in its order."""
    feeds = {
        tensor.name: array.astype(tensor.dtype)
        for tensor, array in zip(file.inputs, given, strict=True)
    }
    wanted = [tensor.name for tensor in file.outputs]
    if format == "onnx":
        session = onnxruntime.InferenceSession(file.data, providers=["CPUExecutionProvider"])
        found: list[np.ndarray] = session.run(wanted, feeds)
        return found
    with quiet():
        interpreter = Interpreter(model_content=file.data, num_threads=1)
    runner = interpreter.get_signature_runner("serving_default")
    rows = [
        runner(**{name: array[i : i + 1] for name, array in feeds.items()})
        for i in range(len(given[0]))
    ]
    return [np.concatenate([row[name] for row in rows]) for name in wanted]


@pytest.mark.parametrize(("format", "precision"), CASES)
@pytest.mark.parametrize("kind", MODELS)
def test_outputs_are_those_of_keras_in_their_order(kind: str, format: str, precision: str) -> None:
    file = converted(kind, format, precision)
    found = run(format, file, samples(kind))
    for ours, keras_says in zip(found, expected(kind), strict=True):
        np.testing.assert_allclose(ours, keras_says, atol=TOLERANCE[precision])


@pytest.mark.parametrize(("format", "precision"), CASES)
@pytest.mark.parametrize("kind", MODELS)
def test_borders_are_the_model_s(kind: str, format: str, precision: str) -> None:
    file, wanted = converted(kind, format, precision), names(kind)
    assert tuple(tensor.name for tensor in file.inputs) == wanted.inputs
    assert tuple(tensor.name for tensor in file.outputs) == wanted.outputs
    for side, tensors in ((file.inputs, model(kind).inputs), (file.outputs, model(kind).outputs)):
        for ours, tensor in zip(side, tensors, strict=True):
            assert ours.shape[1:] == tuple(tensor.shape[1:])


@pytest.mark.parametrize(
    ("kind", "format", "precision", "dtypes"),
    [
        ("two", "tflite", "int8", ["float32", "float32"]),
        ("words", "tflite", "float32", ["int32", "float32"]),
        ("words", "tflite", "int8", ["int32", "uint8"]),
        ("words", "onnx", "int8", ["int32", "uint8"]),
        ("mixed", "tflite", "int8", ["float32", "float32"]),  # all of them bytes, or none
        ("mixed", "onnx", "int8", ["uint8", "float32"]),
    ],
)
def test_each_input_takes_what_it_can(
    kind: str, format: str, precision: str, dtypes: list[str]
) -> None:
    assert [tensor.dtype for tensor in converted(kind, format, precision).inputs] == dtypes


@pytest.mark.parametrize("format", ["tflite", "onnx"])
@pytest.mark.parametrize("kind", ["two", "words", "mixed"])
def test_for_a_gpu_bytes_go_in_as_bytes(kind: str, format: str) -> None:
    file = converted(kind, format, "float32", gpu=True)
    assert [tensor.dtype for tensor in file.inputs] == [array.dtype for array in samples(kind)]
    for ours, keras_says in zip(run(format, file, samples(kind)), expected(kind), strict=True):
        np.testing.assert_allclose(ours, keras_says, atol=1e-5)


def test_weights_are_a_stack_of_layers_with_one_of_each() -> None:
    with pytest.raises(UnsupportedLayer, match="2 inputs and 2 outputs cannot be written as wei"):
        converted("two", "weights", "float32")


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_an_input_that_nothing_reads_keeps_its_place(format: str) -> None:
    one, other = keras.Input((4,)), keras.Input((4,))
    deaf = keras.Model([one, other], layers.Dense(3)(other))
    given = [np.ones((50, 4), np.float32), np.full((50, 4), 2, np.float32)]
    file = convert(deaf, VariantSpec(format, "float32"), given, Names(("a", "b"), ("c",)))
    (found,) = run(format, file, given)
    np.testing.assert_allclose(found, np.asarray(deaf(given)), atol=1e-5)


class TestPrecisions:
    """A file with nothing in its precision is refused."""

    def pooled(self) -> Any:
        return keras.Sequential([keras.Input((8, 8, 2)), layers.MaxPooling2D(), layers.Flatten()])

    @pytest.mark.parametrize(
        ("format", "precision"),
        [
            ("tflite", "float16"),
            ("tflite", "dynamic"),
            ("onnx", "float16"),
            ("onnx", "int8"),
        ],
    )
    def test_a_model_without_weights_has_no_smaller_file(self, format: str, precision: str) -> None:
        given = [np.random.default_rng(0).normal(size=(50, 8, 8, 2)).astype(np.float32)]
        said = f"operator of the {precision} file .*; the model has nothing that this precision"
        with pytest.raises(ConversionError, match=said):
            convert(self.pooled(), VariantSpec(format, precision), given)

    def test_float32_is_always_itself(self) -> None:
        given = [np.random.default_rng(0).normal(size=(50, 8, 8, 2)).astype(np.float32)]
        for format in ("tflite", "onnx"):
            assert convert(self.pooled(), VariantSpec(format, "float32"), given).data
