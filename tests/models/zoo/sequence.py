"""Models of sequences: signals, tokens, series."""

from __future__ import annotations

import keras
import numpy as np

from tests.models.zoo.data import Samples, generator, waves
from tests.models.zoo.specimen import FLOATS, INT8, Specimen
from tests.models.zoo.training import fit, start

layers = keras.layers
TRAIN, CALIBRATE, EVALUATE = slice(0, 1500), slice(0, 120), slice(1500, 1800)
N = 1800


def gru() -> Specimen:
    """A GRU over 16 steps."""
    start()
    return _recurrent(layers.GRU(16))


def lstm() -> Specimen:
    """An LSTM over 16 steps."""
    start()
    return _recurrent(layers.LSTM(16))


def bidirectional_lstm() -> Specimen:
    """Two LSTMs, one of them from the end."""
    start()
    return _recurrent(layers.Bidirectional(layers.LSTM(8)))


def gru_of_any_length() -> Specimen:
    """A GRU whose number of steps --shape fixes."""
    start()
    return _recurrent(layers.GRU(12), steps=None, options=("--shape", "16,3"))


def text_embedding() -> Specimen:
    """Embeddings of token ids, int32, averaged."""
    start()
    random = generator(1)
    tokens = random.integers(1, 200, (N, 24)).astype(np.int32)
    labels = random.integers(0, 3, N)
    told = random.random((N, 24)) < 0.25
    tokens[told] = (labels[:, None] * 10 + 1 + random.integers(0, 10, (N, 24)))[told]
    model = keras.Sequential(
        [
            keras.Input((24,), dtype="int32"),
            layers.Embedding(200, 8),
            layers.GlobalAveragePooling1D(),
            layers.Dense(16, activation="relu"),
            layers.Dense(3, activation="softmax", name="topic"),
        ]
    )
    names = ("news", "sport", "weather")
    return _of_classes(model, tokens, labels, epochs=12, rate=1e-2, names=names)


def audio_conv1d() -> Specimen:
    """Raw samples of a microphone through 1-D convolutions."""
    start()
    sounds, labels = waves(N, 256, 1, 3, seed=2)
    model = keras.Sequential(
        [
            keras.Input((256, 1)),
            layers.Conv1D(8, 9, strides=4, activation="relu"),
            layers.BatchNormalization(momentum=0.9),
            layers.Conv1D(16, 5, strides=2, activation="relu"),
            layers.MaxPooling1D(2),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax", name="tone"),
        ]
    )
    return _of_classes(model, sounds, labels, epochs=6)


def transformer() -> Specimen:
    """One block: attention, LayerNormalization, gelu."""
    start()
    series, labels = waves(N, 16, 4, 3, seed=3)
    inputs = keras.Input((16, 4))
    hidden = layers.Conv1D(16, 3, padding="same")(inputs)
    seen = layers.MultiHeadAttention(2, 8)(hidden, hidden)
    hidden = layers.LayerNormalization()(layers.Add()([hidden, seen]))
    thought = layers.Dense(16)(layers.Dense(32, activation="gelu")(hidden))
    hidden = layers.LayerNormalization()(layers.Add()([hidden, thought]))
    hidden = layers.GlobalAveragePooling1D()(hidden)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="tone")(hidden))
    return _of_classes(model, series, labels, epochs=8, rate=1e-2)


def per_step_softmax() -> Specimen:
    """A class for each step."""
    start()
    random = generator(4)
    series = random.normal(0, 1, (N, 12, 4)).astype(np.float32)
    summed = series[..., 0] + np.roll(series[..., 0], 1, axis=1)
    labels = np.digitize(summed, (-0.8, 0.8))
    labels[:, 0] = np.digitize(series[:, 0, 0], (-0.8, 0.8))
    model = keras.Sequential(
        [
            keras.Input((12, 4)),
            layers.Conv1D(16, 3, padding="causal", activation="relu"),
            layers.Dense(3),
            layers.Softmax(axis=-1, name="step"),
        ]
    )
    return _of_classes(model, series, labels, kind="segmentation", epochs=10, rate=1e-2)


def _recurrent(
    layer: keras.Layer, steps: int | None = 16, options: tuple[str, ...] = ()
) -> Specimen:
    """A recurrent specimen; int8 files are not required: TensorFlow often fails on them."""
    series, labels = waves(N, 16, 3, 3, seed=5)
    model = keras.Sequential(
        [keras.Input((steps, 3)), layer, layers.Dense(3, activation="softmax", name="tone")]
    )
    return _of_classes(model, series, labels, epochs=4, rate=1e-2, must=FLOATS, options=options)


def _of_classes(
    model: keras.Model,
    series: Samples,
    labels: Samples,
    *,
    kind: str = "class",
    epochs: int = 4,
    rate: float = 3e-3,
    names: tuple[str, ...] = (),
    must: frozenset[tuple[str, str]] = FLOATS | INT8,
    options: tuple[str, ...] = (),
) -> Specimen:
    fit(model, series[TRAIN], labels[TRAIN], epochs=epochs, rate=rate)
    return Specimen(
        model,
        {"inputs": series[CALIBRATE]},
        {"inputs": series[EVALUATE], "labels": labels[EVALUATE]},
        kinds={model.layers[-1].name: kind},
        learnt=0.8,
        must=must,
        names=names,
        options=options,
    )
