"""`python -m benchmarks.networks NAME FOLDER`: make a convolutional network, trained briefly.

LeNet-5 with ReLU and max pooling; DS-CNN and ResNet8 have the layers of MLPerf Tiny's reference
models for keyword spotting and image classification (github.com/mlcommons/tiny). They learn to tell
noisy pictures apart, in seconds: times do not depend on weights, but answers must be comparable.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LAST = "training.json"  # the part of an artifact that is written last
_TRAINING, _CALIBRATION, _EVALUATION = 512, 400, 640


class Network(NamedTuple):
    """A network to time."""

    title: str  # in results
    shape: tuple[int, int, int]  # of one sample, uint8: height, width, channels
    classes: int
    layers: Callable[[Any], Any]  # from floats in 0..1 to what the classes are told from


def _lenet(x: Any) -> Any:
    from keras import layers

    for filters, padding in ((6, "same"), (16, "valid")):
        x = layers.Conv2D(filters, 5, padding=padding, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for width in (120, 84):
        x = layers.Dense(width, activation="relu")(x)
    return x


def _ds_cnn(x: Any) -> Any:
    from keras import layers

    x = _normed(x, layers.Conv2D(64, (10, 4), strides=2, padding="same"))
    for _ in range(4):
        x = _normed(x, layers.DepthwiseConv2D(3, padding="same"))
        x = _normed(x, layers.Conv2D(64, 1))
    return layers.Flatten()(layers.AveragePooling2D((25, 5))(x))


def _resnet8(x: Any) -> Any:
    from keras import layers

    x = _normed(x, layers.Conv2D(16, 3, padding="same"))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        branch = _normed(x, layers.Conv2D(filters, 3, strides=strides, padding="same"))
        branch = _normed(branch, layers.Conv2D(filters, 3, padding="same"), active=False)
        if strides > 1:
            x = layers.Conv2D(filters, 1, strides=strides)(x)
        x = layers.ReLU()(layers.Add()([x, branch]))
    return layers.Flatten()(layers.AveragePooling2D(8)(x))


def _normed(x: Any, layer: Any, *, active: bool = True) -> Any:
    """Add a layer and its BatchNormalization, whose averages adapt within few steps."""
    from keras import layers

    x = layers.BatchNormalization(momentum=0.8)(layer(x))
    return layers.ReLU()(x) if active else x


NETWORKS = {
    "lenet": Network("LeNet", (28, 28, 1), 10, _lenet),
    "ds-cnn": Network("DS-CNN", (49, 10, 1), 12, _ds_cnn),
    "resnet8": Network("ResNet8", (32, 32, 3), 10, _resnet8),
}


def samples(network: Network, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw pictures, each that of its class with noise: the same ones each time.

    Args:
        network: gives the shape and the number of classes.
        count: the number of samples.

    Returns:
        Pictures, uint8 (count, height, width, channels), and their classes, int64 (count,).
    """
    random = np.random.default_rng(1)
    height, width, channels = network.shape
    details = random.integers(0, 200, (network.classes, *network.shape))
    coarse = (network.classes, -(-height // 5), -(-width // 5), 1)
    blocks = np.kron(random.integers(0, 200, coarse), np.ones((1, 5, 5, channels)))
    kinds = (details + 3 * blocks[:, :height, :width]) / 4
    labels = random.integers(0, network.classes, count)
    noise = random.normal(0, 20, (count, *network.shape))
    return np.clip(kinds[labels] + noise, 0, 255).astype(np.uint8), labels


def make(name: str, folder: Path) -> None:
    """Train a network and write its artifact.

    Args:
        name: a key of `NETWORKS`.
        folder: the artifact's folder.
    """
    import keras

    keras.utils.set_random_seed(1)
    network = NETWORKS[name]
    given, labels = samples(network, _TRAINING + _EVALUATION)
    inputs = keras.Input(network.shape)
    features = network.layers(keras.layers.Rescaling(1 / 255)(inputs))
    answers = keras.layers.Dense(network.classes, activation="softmax")(features)
    model = keras.Model(inputs, answers)
    model.compile("adam", "sparse_categorical_crossentropy")
    train, judge = slice(_TRAINING), slice(_TRAINING, None)
    model.fit(given[train], labels[train], batch_size=16, epochs=2, verbose=0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    np.savez(folder / "calibration.npz", inputs=given[:_CALIBRATION])
    outputs = model.predict(given[judge], verbose=0)
    evaluation = {"inputs": given[judge], "labels": labels[judge], "outputs": outputs}
    np.savez(folder / "evaluation.npz", **evaluation)
    record = json.dumps({"name": folder.name, "model_version": 1})
    (folder / LAST).write_text(record, encoding="utf-8")


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
