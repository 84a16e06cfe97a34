"""Keras models of pictures and sequences that become plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strop_export.formats import quiet
from tests.unit.export.plan_kit import sequential

with quiet():
    import keras

    layers = keras.layers


def _residual() -> Any:
    inputs = keras.Input((12, 10, 3))
    hidden = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    for filters, strides in ((8, 1), (12, 2)):
        through = layers.Conv2D(filters, 3, strides=strides, padding="same")(hidden)
        through = layers.Conv2D(filters, 3, padding="same")(layers.ReLU()(through))
        if strides > 1:
            hidden = layers.Conv2D(filters, 1, strides=strides)(hidden)
        hidden = layers.ReLU()(layers.Add()([through, hidden]))
    hidden = layers.Flatten()(layers.AveragePooling2D((6, 5))(hidden))
    return keras.Model(inputs, layers.Dense(4, "softmax")(hidden))


def _branches() -> Any:
    inputs = keras.Input((9, 9, 4))
    hidden = layers.Conv2D(8, 3, activation="relu", dilation_rate=2)(inputs)
    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(hidden)
    convolved = layers.Conv2D(5, (1, 3), padding="same", activation="relu6")(hidden)
    averaged = layers.AveragePooling2D(2, strides=1, padding="same")(hidden)
    joined = layers.Concatenate()([pooled, convolved, averaged])
    turned = layers.Permute((2, 3, 1))(layers.ZeroPadding2D(((1, 0), (0, 2)))(joined))
    rows = layers.GlobalAveragePooling2D(keepdims=True)(turned)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(rows)))


def _separable() -> Any:
    stack: list[Any] = [layers.Conv2D(8, (5, 3), strides=2, padding="same", activation="relu")]
    for filters, strides in ((12, 1), (16, 2)):
        depthwise = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)
        stack += [depthwise, layers.BatchNormalization(), layers.ReLU(6.0)]
        stack += [layers.Conv2D(filters, 1, activation="relu")]
    stack += [layers.DepthwiseConv2D(2, depth_multiplier=3, dilation_rate=2)]
    stack += [layers.GlobalAveragePooling2D(), layers.Dense(4)]
    return sequential(*stack, shape=(15, 12, 1))


PICTURES: dict[str, Callable[[], Any]] = {
    "lenet": lambda: sequential(
        *(layers.Conv2D(6, 5, padding="same", activation="relu"), layers.AveragePooling2D(2)),
        *(layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(), layers.Flatten()),
        *(layers.Dense(20, "relu"), layers.Dense(10, "softmax")),
        shape=(16, 16, 1),
    ),
    "residual": _residual,
    "branches": _branches,
    "separable": _separable,
    "sequence": lambda: sequential(
        *(layers.Conv1D(8, 5, strides=2, activation="relu"), layers.MaxPooling1D()),
        *(layers.Conv1D(8, 3, padding="causal", activation="relu"), layers.AveragePooling1D(3)),
        *(layers.SeparableConv1D(8, 3, padding="same"), layers.GlobalAveragePooling1D()),
        *(layers.Dense(3),),
        shape=(60, 2),
    ),
}
