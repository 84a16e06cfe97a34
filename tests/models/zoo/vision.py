"""Models of pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tests.models.zoo.custom import SmallNet
from tests.models.zoo.data import Samples, digits, generator
from tests.models.zoo.specimen import FLOATS, INT8, Specimen
from tests.models.zoo.training import CLASSES, fit, start

layers = keras.layers
DIGITS = tuple("0123456789")
TRAIN, CALIBRATE, EVALUATE = slice(0, 3000), slice(0, 150), slice(3000, 3300)


def cnn_batchnorm() -> Specimen:
    """The convolutional net of every tutorial, with BatchNormalization to fold."""
    start()
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, strides=2, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(16, 3, strides=2, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    return _of_digits(model, names=DIGITS)


def separable() -> Specimen:
    """Depthwise and pointwise convolutions."""
    start()
    stages = [
        layer
        for filters in (16, 24)
        for layer in (
            layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(6.0),
            layers.Conv2D(filters, 1),
            layers.ReLU(6.0),
        )
    ]
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(8, 3, padding="same", strides=2, activation="relu"),
            *stages,
            layers.Flatten(),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    return _of_digits(model, epochs=4)


def uint8_input() -> Specimen:
    """The input is declared uint8 and cast inside."""
    start()
    inputs = keras.Input((28, 28, 1), dtype="uint8")
    hidden = keras.ops.cast(inputs, "float32") / 255.0
    hidden = layers.Conv2D(8, 3, strides=2, activation="relu")(hidden)
    hidden = layers.AveragePooling2D(2)(hidden)
    hidden = layers.Dense(32, activation="relu")(layers.Flatten()(hidden))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="digit")(hidden))
    return _of_digits(model)


def mixed_float16() -> Specimen:
    """A policy of mixed precision, as for training on GPUs, with a float32 head."""
    start()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Rescaling(1 / 255),
                layers.Conv2D(8, 3, strides=2, activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(32, activation="relu"),
                layers.Dense(10, activation="softmax", dtype="float32", name="digit"),
            ]
        )
        return replace(_of_digits(model), rounding=0.01)
    finally:
        keras.config.set_dtype_policy(before)


def augmentation() -> Specimen:
    """Layers that are only for training."""
    start()
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip("vertical", seed=1),
            layers.RandomRotation(0.03, seed=2),
            layers.GaussianNoise(0.1, seed=3),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.SpatialDropout2D(0.1, seed=4),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2, seed=5),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    return _of_digits(model, learnt=0.6, epochs=2)


def activations() -> Specimen:
    """One activation after another."""
    start()
    bend = ("gelu", "swish", "elu", "hard_sigmoid", "mish", "selu", "softplus", "tanh")
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, strides=2),
            layers.PReLU(shared_axes=[1, 2]),
            layers.Conv2D(8, 3, strides=2),
            layers.LeakyReLU(0.1),
            *(layers.Conv2D(8, 1, activation=name) for name in bend),
            layers.Conv2D(8, 1, activation="hard_swish"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    return _of_digits(model, learnt=0.7, epochs=4)


def lambda_layer() -> Specimen:
    """Python code in the model file: loading it needs trust."""
    start()
    inputs = keras.Input((28, 28, 1))
    hidden = layers.Lambda(lambda pixels: pixels / 127.5 - 1.0, output_shape=(28, 28, 1))(inputs)
    hidden = layers.Conv2D(8, 3, strides=2, activation="relu")(hidden)
    hidden = layers.Flatten()(layers.MaxPooling2D()(hidden))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="digit")(hidden))
    return _of_digits(model, options=("--trust",))


def subclassed() -> Specimen:
    """A user's own class in a user's own module."""
    start()
    model = SmallNet(filters=8, classes=10)
    model(np.zeros((1, 28, 28, 1), np.float32))
    source = Path(__file__).with_name("custom.py")
    return _of_digits(model, options=("--trust",), custom=source)


def nested() -> Specimen:
    """A Sequential as a layer of a functional model."""
    start()
    features = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Flatten(),
        ],
        name="features",
    )
    inputs = keras.Input((28, 28, 1))
    hidden = features(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="digit")(hidden))
    return _of_digits(model)


def free_size() -> Specimen:
    """Pictures of any size, which --shape fixes."""
    start()
    inputs = keras.Input((None, None, 1))
    hidden = layers.Rescaling(1 / 255)(inputs)
    for filters in (8, 16, 32):
        hidden = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(hidden)
    hidden = layers.GlobalMaxPooling2D()(hidden)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="digit")(hidden))
    return _of_digits(model, learnt=0.6, epochs=5, options=("--shape", "28,28,1"))


def unet() -> Specimen:
    """One probability per pixel, the ink, in pictures that are noisy and uneven."""
    start()
    images, _ = digits()
    clean = np.pad(images[:1600], ((0, 0), (2, 2), (2, 2)))[..., None]
    noise = generator(2).integers(0, 120, clean.shape)
    pictures = np.clip(clean.astype(int) * 2 // 3 + noise, 0, 255).astype(np.uint8)
    masks = (clean > 127).astype(np.int64)
    inputs = keras.Input((32, 32, 1))
    scaled = layers.Rescaling(1 / 255)(inputs)
    across = layers.Conv2D(8, 3, padding="same", activation="relu")(scaled)
    down = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(across))
    up = layers.Conv2DTranspose(8, 2, strides=2, padding="same")(down)
    up = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Concatenate()([up, across]))
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid", name="ink")(up))
    train, judge = slice(0, 1200), slice(1200, 1400)
    truth = masks[train].astype(np.float32)
    fit(model, pictures[train], truth, "binary_crossentropy", epochs=2, rate=1e-2, batch=16)
    return Specimen(
        model,
        {"inputs": pictures[:100]},
        {"inputs": pictures[judge], "labels": masks[judge]},
        kinds={"ink": "segmentation"},
        learnt=0.93,  # nine tenths are paper
    )


def detection() -> Specimen:
    """Boxes: for each of 49 cells, whether there is ink, and four numbers; no labels."""
    start()
    images, _ = digits()
    cells = images[:1600].reshape(-1, 7, 4, 7, 4).astype(np.float32).swapaxes(2, 3)
    ink = cells.reshape(-1, 49, 16).mean(-1, keepdims=True) / 255
    corners = [cells[..., 0, 0], cells[..., 0, 3], cells[..., 3, 0], cells[..., 3, 3]]
    truth = np.concatenate([ink, np.stack(corners, -1).reshape(-1, 49, 4) / 255], -1)
    inputs = keras.Input((28, 28, 1))
    hidden = layers.Rescaling(1 / 255)(inputs)
    hidden = layers.Conv2D(16, 3, padding="same", activation="relu")(hidden)
    hidden = layers.Conv2D(5, 4, strides=4)(hidden)
    model = keras.Model(inputs, layers.Reshape((49, 5), name="boxes")(hidden))
    pictures = images[:1600, ..., None]
    fit(model, pictures[:1200], truth[:1200], "mse", epochs=4)
    return Specimen(
        model,
        {"inputs": pictures[:100]},
        {"inputs": pictures[1200:1500]},
        kinds={"boxes": "raw"},
        learnt=0.05,
    )


def embedding() -> Specimen:
    """A vector of length one for each picture, trained to separate classes."""
    start()
    inputs = keras.Input((28, 28, 1))
    hidden = layers.Rescaling(1 / 255)(inputs)
    hidden = layers.Conv2D(8, 3, strides=2, activation="relu")(hidden)
    hidden = layers.Flatten()(layers.MaxPooling2D()(hidden))
    hidden = layers.Dense(16)(hidden)
    vector = layers.UnitNormalization(name="vector")(hidden)
    images, labels = digits()
    scores = layers.Dense(10, activation="softmax")(layers.Rescaling(8.0)(vector))
    fit(keras.Model(inputs, scores), images[TRAIN][..., None], labels[TRAIN], CLASSES)
    return Specimen(
        keras.Model(inputs, vector),
        {"inputs": images[CALIBRATE][..., None]},
        {"inputs": images[EVALUATE][..., None]},
        kinds={"vector": "raw"},
        learnt=0.1,
        options=("--task", "raw"),
    )


def _of_digits(
    model: keras.Model,
    *,
    learnt: float = 0.85,
    epochs: int = 3,
    names: tuple[str, ...] = (),
    must: frozenset[tuple[str, str]] = FLOATS | INT8,
    options: tuple[str, ...] = (),
    custom: Path | None = None,
) -> Specimen:
    """Train on MNIST; the pictures are uint8, as a camera gives them."""
    images, labels = _pictures()
    fit(model, images[TRAIN], labels[TRAIN], epochs=epochs)
    return Specimen(
        model,
        {"inputs": images[CALIBRATE]},
        {"inputs": images[EVALUATE], "labels": labels[EVALUATE]},
        kinds={"digit": "class"},
        learnt=learnt,
        must=must,
        names=names,
        options=options,
        custom=custom,
    )


def _pictures() -> tuple[Samples, Samples]:
    images, labels = digits()
    return images[..., None], labels
