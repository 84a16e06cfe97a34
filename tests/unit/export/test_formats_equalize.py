"""Balanced scales: the float function stays the same to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strop_export.formats import quiet

with quiet():
    import keras

    from strop_export.formats.channels import find_links
    from strop_export.formats.equalize import Equalizer

L = keras.layers


def _pictures() -> Any:
    """Return convolutions, a norm, pooling, a flattening, and a tensor with two users."""
    given = keras.Input((12, 12, 3))
    x = L.Conv2D(8, 3, padding="same", use_bias=False)(given)
    x = L.BatchNormalization(gamma_initializer="random_uniform", name="norm")(x)
    x = L.MaxPooling2D()(L.ReLU()(x))
    x = L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="depth")(x)
    left = L.Conv2D(4, 1, activation="relu", name="left")(x)
    right = L.GlobalAveragePooling2D()(L.Conv2D(5, 3, name="right")(L.ZeroPadding2D()(x)))
    ends = [L.Dense(6, "softmax", name="what")(L.Flatten()(left)), L.Dense(2, name="where")(right)]
    return keras.Model(given, ends)


def _series() -> Any:
    given = keras.Input((12, 3))
    x = L.Dense(6, name="wide")(given)
    x = L.LayerNormalization(name="norm")(L.Dropout(0.5)(x))
    x = L.Conv1D(5, 3, activation="relu", name="conv")(L.UpSampling1D()(x))
    return keras.Model(given, L.Dense(2, name="last")(L.Reshape((11, 10))(L.LeakyReLU()(x))))


CASES: dict[str, tuple[Callable[[], Any], set[tuple[str, str]]]] = {
    "pictures": (
        _pictures,
        {
            *(("norm", "depth"), ("depth", "left"), ("depth", "right")),
            *(("left", "what"), ("right", "where")),
        },
    ),
    "series": (_series, {("norm", "conv"), ("conv", "last")}),
}


@pytest.mark.parametrize("kind", CASES)
def test_outputs_are_equal_to_the_bit(kind: str) -> None:
    keras.utils.set_random_seed(3)
    build, pairs = CASES[kind]
    model = build()
    random = np.random.default_rng(0)
    for layer in model.layers:  # channels of very different sizes
        sizes = [np.exp(random.normal(0, 2, w.shape[-1])) for w in layer.get_weights()]
        layer.set_weights([w * s for w, s in zip(layer.get_weights(), sizes, strict=True)])
    before = model.get_weights()
    samples = random.normal(size=(64, *model.inputs[0].shape[1:])).astype(np.float32)
    made = Equalizer(model, [samples])
    assert set(made.pairs) == pairs
    for ours, keras_says in zip(
        keras.tree.flatten(made.model([samples])), keras.tree.flatten(model([samples])), strict=True
    ):
        np.testing.assert_array_equal(ours, keras_says)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert any((a != b).any() for a, b in zip(made.model.get_weights(), before, strict=True))


def test_activations_are_balanced() -> None:
    keras.utils.set_random_seed(3)
    first, last = L.Dense(4, name="first"), L.Dense(4, name="last")
    model = keras.Sequential([keras.Input((5,)), first, last])
    scale = np.array([1, 2**10, 2**-10, 1], np.float32)
    first.set_weights([w * scale for w in first.get_weights()])
    last.set_weights([last.get_weights()[0] / scale[:, np.newaxis], last.get_weights()[1]])
    samples = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)

    def spread_of(first: Any) -> float:
        largest = np.abs(np.asarray(first(samples))).max(axis=0)
        return float(largest.max() / largest.min())

    assert spread_of(first) > 2**18
    assert spread_of(Equalizer(model, [samples]).model.layers[1]) < 8


def _links(between: Callable[[Any], Any]) -> list[tuple[str, str]]:
    given = keras.Input((4,))
    x = between(L.Dense(6, name="before")(given))
    model = keras.Model(given, L.Dense(3, name="after")(x))
    return [(link.producer.name, u.layer.name) for link in find_links(model) for u in link.users]


@pytest.mark.parametrize("between", [lambda x: x, L.ReLU(), L.Dropout(0.5)])
def test_what_notices_no_scales_links_its_neighbours(between: Any) -> None:
    assert _links(between) == [("before", "after")]


@pytest.mark.parametrize(
    "between",
    [
        lambda x: L.ReLU(6)(x),
        lambda x: L.Softmax()(x),
        lambda x: L.Add()([x, L.ReLU()(x)]),
        lambda x: L.Reshape((2, 3))(x),
        lambda x: keras.ops.exp(x),
        lambda x: L.Permute((1,))(x),
        lambda x: keras.Sequential([L.Dense(6)])(x),
    ],
)
def test_what_would_notice_keeps_its_scales(between: Any) -> None:
    assert _links(between) == []


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("is_output", [False, True])
def test_an_output_and_a_shared_layer_keep_their_scales(shared: bool, is_output: bool) -> None:
    given, first = keras.Input((4,)), L.Dense(4, "relu")
    x = first(first(given)) if shared else first(given)
    last = L.Dense(3)(x)
    model = keras.Model(given, [x, last] if is_output else last)
    assert bool(find_links(model)) == (not shared and not is_output)
