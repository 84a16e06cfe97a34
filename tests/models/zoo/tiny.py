"""The shapes of MLPerf Tiny's four models, trained for seconds on tasks of the same form."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tests.models.zoo.data import digits, generator, shapes, spectrograms
from tests.models.zoo.specimen import Specimen
from tests.models.zoo.training import fit, start

layers = keras.layers


def mobilenet_v2() -> Specimen:
    """Person or not: pictures 96 x 96 of two kinds."""
    start()
    pictures, labels = shapes(700, 96)
    inputs = keras.Input((96, 96, 3))
    body = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, include_top=False)
    for layer in body.layers:  # averages that adapt within the few steps
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.8
    hidden = body(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    hidden = layers.GlobalAveragePooling2D()(hidden)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="shape")(hidden))
    # In small batches: with half as many steps, what int8 loses depends on how the CPU rounds.
    fit(model, pictures[:400], labels[:400], epochs=5, batch=16)
    return Specimen(
        model,
        {"inputs": pictures[:100]},
        {"inputs": pictures[400:], "labels": labels[400:]},
        kinds={"shape": "class"},
        learnt=0.75,
        names=("square", "ring"),
    )


def ds_cnn() -> Specimen:
    """Keywords: spectrograms of 49 frames and 10 bands."""
    start()
    sounds, labels = spectrograms(1500)
    inputs = keras.Input((49, 10, 1))
    hidden = _conv(inputs, 24, (10, 4), strides=2)
    for _ in range(4):
        hidden = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(hidden)
        hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(hidden))
        hidden = _conv(hidden, 24, 1)
    hidden = layers.Dropout(0.2, seed=1)(layers.AveragePooling2D((25, 5))(hidden))
    answer = layers.Dense(4, activation="softmax", name="word")(layers.Flatten()(hidden))
    model = fit(keras.Model(inputs, answer), sounds[:1000], labels[:1000], epochs=3)
    return Specimen(
        model,
        {"inputs": sounds[:120]},
        {"inputs": sounds[1000:], "labels": labels[1000:]},
        kinds={"word": "class"},
        learnt=0.8,
        names=("up", "down", "off", "on"),
    )


def resnet8() -> Specimen:
    """Small colour pictures: digits in one colour on another, 32 x 32."""
    start()
    images, labels = digits(2000)
    random = generator(1)
    ink, paper = (
        random.integers(140, 256, (2000, 1, 1, 3)),
        random.integers(0, 100, (2000, 1, 1, 3)),
    )
    grey = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None] / 255
    pictures = (grey * ink + (1 - grey) * paper).astype(np.uint8)
    inputs = keras.Input((32, 32, 3))
    hidden = _conv(layers.Rescaling(1 / 255)(inputs), 16, 3)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        through = _conv(hidden, filters, 3, strides=strides)
        through = layers.Conv2D(filters, 3, padding="same")(through)
        through = layers.BatchNormalization(momentum=0.9)(through)
        if strides > 1:
            hidden = layers.Conv2D(filters, 1, strides=strides)(hidden)
        hidden = layers.ReLU()(layers.Add()([through, hidden]))
    hidden = layers.Flatten()(layers.AveragePooling2D(8)(hidden))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax", name="digit")(hidden))
    # The rate falls to 0: at a constant one, the averages of the last steps decide what int8 loses.
    rate = keras.optimizers.schedules.CosineDecay(3e-3, 8 * 24)
    fit(model, pictures[:1500], labels[:1500], epochs=8, rate=rate)
    return Specimen(
        model,
        {"inputs": pictures[:400]},
        {"inputs": pictures[1500:1900], "labels": labels[1500:1900]},
        kinds={"digit": "class"},
        learnt=0.6,
        names=tuple("0123456789"),
    )


def anomaly() -> Specimen:
    """An autoencoder of a machine's sound, 5 frames of 128 bands: a bad reconstruction is a fault.

    The last half of the evaluation samples are faults: a band that hums.
    """
    start()
    random = generator(2)
    n, faults = 2400, 200
    bands = np.arange(128) / 128
    turns = random.uniform(0.8, 1.2, (n, 6, 1))
    tones = np.exp(-((bands - np.linspace(0.1, 0.9, 6)[:, None]) ** 2) / 0.003)
    frames = (turns * tones).sum(1)[:, None, :] * random.uniform(0.95, 1.05, (n, 5, 1))
    sounds = (10 * frames - 30 + random.normal(0, 0.5, (n, 5, 128))).reshape(n, 640)
    hums = 6 * np.exp(-((bands - random.uniform(0, 1, (faults, 1, 1))) ** 2) / 0.0005)
    sounds[-faults:] += np.broadcast_to(hums, (faults, 5, 128)).reshape(faults, 640)
    sounds = sounds.astype(np.float32)
    stages: list[Any] = []
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        norm = layers.BatchNormalization(momentum=0.9)
        stages += [layers.Dense(width), norm, layers.ReLU()]
    train, judge = slice(0, 2000), slice(2000, 2400)
    usual = keras.initializers.Constant(sounds[train].mean(0).tolist())
    again = layers.Dense(640, bias_initializer=usual, name="again")
    model = keras.Sequential([keras.Input((640,)), *stages, again])
    fit(model, sounds[train], sounds[train], "mse", epochs=8)
    return Specimen(
        model,
        {"inputs": sounds[:150]},
        {"inputs": sounds[judge]},
        kinds={"again": "raw"},
        learnt=0.8,
        faults=np.arange(400) >= 200,
        warned=("clipped",),  # faults are louder than any sound it was trained on
    )


def _conv(hidden: Any, filters: int, size: Any, strides: int = 1) -> Any:
    """A convolution with its BatchNormalization and ReLU."""
    hidden = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(hidden)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(hidden))
