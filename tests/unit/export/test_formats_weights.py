"""Keras to plain arrays."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export.errors import UnsupportedLayer
from strop_export.formats import VariantSpec, convert, quiet
from tests.unit.export.formats_kit import converted, expected, model, samples

with quiet():
    import keras

    layers = keras.layers

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": lambda x: (
        np.exp(x - x.max(1, keepdims=True))
        / np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True)
    ),
}


def arrays(data: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return dict(file)


def run(data: bytes, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Compute the format as its module describes it."""
    content = arrays(data)
    values: NDArray[np.float32] = (
        inputs.astype(np.float32) * content["scale"] + content["offset"]
    ).reshape(len(inputs), -1)
    for i, activation in enumerate(content["activations"]):
        values = ACTIVATIONS[activation](values @ content[f"kernel_{i}"] + content[f"bias_{i}"])
    return values


@pytest.mark.parametrize("kind", ["mlp", "vector", "linear"])
def test_outputs_are_those_of_keras(kind: str) -> None:
    outputs = run(converted(kind, "weights", "float32").data, samples(kind))
    np.testing.assert_allclose(outputs, expected(kind), atol=1e-6)


def test_the_weights_are_keras_s_own() -> None:
    content = arrays(converted("mlp", "weights", "float32").data)
    names = [f"{part}_{i}" for i in range(3) for part in ("kernel", "bias")]
    assert sorted(content) == sorted([*names, "scale", "offset", "activations"])
    for name, weights in zip(names, model("mlp").get_weights(), strict=True):
        np.testing.assert_array_equal(content[name], weights)
        assert content[name].dtype == np.float32
    assert content["scale"] == np.float32(1 / 255)
    assert content["offset"] == -0.5
    assert list(content["activations"]) == ["relu", "relu", "sigmoid"]
    assert content["activations"].dtype.kind == "U"


def test_border_and_requirements() -> None:
    file = converted("mlp", "weights", "float32")
    assert [(t.name, t.shape, t.dtype) for t in (*file.inputs, *file.outputs)] == [
        ("image", (None, 6, 5), "float32"),
        ("probabilities", (None, 2), "float32"),
    ]
    assert file.requires == {}


def test_a_layer_without_bias_adds_nothing() -> None:
    bare = keras.Sequential([keras.Input((3,)), layers.Dense(2, use_bias=False)])
    inputs = np.ones((1, 3), np.float32)
    file = convert(bare, VariantSpec("weights", "float32"), [inputs])
    np.testing.assert_allclose(run(file.data, inputs), bare(inputs).numpy(), atol=1e-6)


def _branched() -> Any:
    inputs = keras.Input((4,))
    first = layers.Dense(4, name="first")(inputs)
    return keras.Model(
        inputs, layers.Dense(2, name="second")(layers.Add(name="sum")([first, inputs]))
    )


def _shared() -> Any:
    inputs, twice = keras.Input((4,)), layers.Dense(4, name="twice")
    layers.Dense(4)(twice(inputs))
    return keras.Model(inputs, twice(twice(inputs)))


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: model("cnn"), "conv2d"),
        (_branched, "sum"),
        (
            lambda: keras.Sequential(
                [keras.Input((4,)), layers.Dense(4, "tanh", name="curved"), layers.Dense(2)]
            ),
            "curved",
        ),
        (
            lambda: keras.Sequential([keras.Input((4, 3)), layers.Dense(2, name="rows")]),
            "rows",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((4,)), layers.Dense(2), layers.Rescaling(2.0, name="late")]
            ),
            "late",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((4,)), layers.Lambda(lambda x: x + 1, name="code"), layers.Dense(2)]
            ),
            "code",
        ),
    ],
)
def test_other_layers_are_refused_by_name(build: Any, name: str) -> None:
    refused = build()
    inputs = np.zeros((1, *refused.input_shape[1:]), np.float32)
    with pytest.raises(UnsupportedLayer, match=name):
        convert(refused, VariantSpec("weights", "float32"), [inputs])


def test_a_shared_layer_is_written_as_often_as_it_runs() -> None:
    shared, inputs = _shared(), np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    file = convert(shared, VariantSpec("weights", "float32"), [inputs])
    np.testing.assert_allclose(run(file.data, inputs), shared(inputs).numpy(), atol=1e-6)
