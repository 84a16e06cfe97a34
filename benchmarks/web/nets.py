"""The networks: MNIST's, which is trained, and convolutional ones with random weights.

The time of a call does not depend on the weights. LeNet is LeNet-5 with relu; DS-CNN and ResNet-8
have the layers of MLPerf Tiny (https://github.com/mlcommons/tiny).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from strop_export import source
from strop_export.formats import quiet
from strop_export.source import Files, Source

with quiet():
    import keras

MLP = "mnist-mlp"
_SAMPLES = 100

layers = keras.layers


def read(name: str, folder: Path, artifact: Path) -> Source:
    """Read a network and its samples.

    Args:
        name: `MLP` or a key of `BUILT`.
        folder: an empty folder, for the files of a network that is built here.
        artifact: the folder of the trained MNIST network.

    Raises:
        SourceError: there is no such folder.
    """
    if name == MLP:
        return source.read(source.artifact(artifact, MLP))
    keras.utils.set_random_seed(1)
    model = BUILT[name]()
    draw = np.random.default_rng(1).integers(0, 256, (_SAMPLES, *model.input_shape[1:]))
    model.save(folder / "model.keras")
    np.savez(folder / "calibration.npz", image=draw.astype(np.uint8))
    return source.read(Files(name, folder / "model.keras", folder / "calibration.npz", None))


def _lenet() -> Any:
    image = keras.Input((28, 28, 1), name="image")
    hidden = layers.Rescaling(1 / 255)(image)
    hidden = layers.Conv2D(6, 5, padding="same", activation="relu")(hidden)
    hidden = layers.AveragePooling2D(2)(hidden)
    hidden = layers.Conv2D(16, 5, activation="relu")(hidden)
    hidden = layers.Flatten()(layers.AveragePooling2D(2)(hidden))
    for units in (120, 84):
        hidden = layers.Dense(units, activation="relu")(hidden)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="answer")(hidden))


def _ds_cnn() -> Any:
    image = keras.Input((49, 10, 1), name="image")
    hidden = _block(layers.Conv2D(64, (10, 4), 2, padding="same"), layers.Rescaling(1 / 255)(image))
    for _ in range(4):
        hidden = _block(layers.DepthwiseConv2D(3, padding="same"), hidden)
        hidden = _block(layers.Conv2D(64, 1), hidden)
    hidden = layers.Flatten()(layers.AveragePooling2D((25, 5))(hidden))
    return keras.Model(image, layers.Dense(12, activation="softmax", name="answer")(hidden))


def _resnet8() -> Any:
    image = keras.Input((32, 32, 3), name="image")
    hidden = _block(layers.Conv2D(16, 3, padding="same"), layers.Rescaling(1 / 255)(image))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        through = _block(layers.Conv2D(filters, 3, strides, padding="same"), hidden)
        through = layers.Conv2D(filters, 3, padding="same")(through)
        through = layers.BatchNormalization()(through)
        if strides > 1:
            hidden = layers.Conv2D(filters, 1, strides)(hidden)
        hidden = layers.ReLU()(layers.Add()([through, hidden]))
    hidden = layers.Flatten()(layers.AveragePooling2D(8)(hidden))
    return keras.Model(image, layers.Dense(10, activation="softmax", name="answer")(hidden))


def _block(layer: Any, hidden: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization()(layer(hidden)))


BUILT: dict[str, Callable[[], Any]] = {"lenet": _lenet, "ds-cnn": _ds_cnn, "resnet-8": _resnet8}
