"""The rescaling folded into the weights: always the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strop_export.formats import quiet

with quiet():
    import keras

    from strop_export.formats.graph import simplify

    layers = keras.layers


def chain(shape: tuple[int, ...], *stack: Any) -> Any:
    return keras.Sequential([keras.Input(shape), *stack])


def biased(units: int, **options: Any) -> Any:
    return layers.Dense(units, bias_initializer="normal", **options)


def _two_users() -> Any:
    """The rescaled tensor feeds a layer that absorbs it and one that cannot."""
    inputs = keras.Input((6,))
    scaled = layers.Rescaling(0.1, offset=3.0)(inputs)
    return keras.Model(inputs, layers.Concatenate()([biased(4)(scaled), scaled]))


def _raw_too() -> Any:
    """The raw tensor is rescaled and also used directly."""
    inputs = keras.Input((6,))
    return keras.Model(
        inputs, layers.Add()([biased(6)(layers.Rescaling(0.1, offset=3.0)(inputs)), inputs])
    )


def _shared() -> Any:
    """One layer, once on the rescaled tensor and once on another."""
    inputs, dense = keras.Input((6,)), biased(6)
    return keras.Model(inputs, dense(dense(layers.Rescaling(0.1, offset=3.0)(inputs))))


FOLDED = {
    "dense": lambda: chain((6,), layers.Rescaling(0.1, offset=3.0), biased(4, activation="relu")),
    "flatten": lambda: chain((3, 2), layers.Rescaling(0.1), layers.Flatten(), layers.Dense(4)),
    "valid convolution": lambda: chain(
        (6, 6, 2), layers.Rescaling(0.1, offset=3.0), layers.Conv2D(3, 3, strides=2)
    ),
    "padded convolution, no offset": lambda: chain(
        (6, 6, 2), layers.Rescaling(0.1), layers.Conv2D(3, 3, padding="same")
    ),
    "shared layer": _shared,
    "raw tensor used too": _raw_too,
}
KEPT = {
    "padded convolution": lambda: chain(
        (6, 6, 2), layers.Rescaling(0.1, offset=3.0), layers.Conv2D(3, 3, padding="same")
    ),
    "no bias to take the offset": lambda: chain(
        (6,), layers.Rescaling(0.1, offset=3.0), layers.Dense(4, use_bias=False)
    ),
    "one scale per channel": lambda: chain(
        (2,), layers.Rescaling([0.1, 0.2], offset=[1.0, 2.0]), biased(4)
    ),
    "other layer": lambda: chain((6,), layers.Rescaling(0.1), layers.ReLU(), biased(4)),
    "nothing after": lambda: chain((6,), layers.Rescaling(0.1, offset=3.0)),
    "two users": _two_users,
}


@pytest.mark.parametrize("name", [*FOLDED, *KEPT])
def test_the_function_is_the_same(name: str) -> None:
    model = (FOLDED | KEPT)[name]()
    inputs = np.random.default_rng(0).normal(size=(5, *model.input_shape[1:])).astype(np.float32)
    before = model(inputs).numpy()
    simplified = simplify(model, fold_rescaling=True)
    np.testing.assert_allclose(simplified(inputs).numpy(), before, atol=1e-5)
    np.testing.assert_array_equal(model(inputs).numpy(), before)  # and the model is untouched


@pytest.mark.parametrize("name", [*FOLDED, *KEPT])
def test_the_rescaling_is_folded_only_where_that_is_exact(name: str) -> None:
    simplified = simplify((FOLDED | KEPT)[name](), fold_rescaling=True)
    kept = any(isinstance(layer, layers.Rescaling) for layer in simplified.layers)
    assert kept == (name in KEPT)


def test_it_stays_where_asked() -> None:
    simplified = simplify(FOLDED["dense"](), fold_rescaling=False)
    assert any(isinstance(layer, layers.Rescaling) for layer in simplified.layers)
