"""Models of tables: rows of numbers, flags or codes."""

from __future__ import annotations

import keras
import numpy as np

from tests.models.zoo.data import Samples, blobs, generator
from tests.models.zoo.specimen import FLOATS, INT8, Specimen
from tests.models.zoo.training import LOGITS, fit, start

layers = keras.layers
TRAIN, CALIBRATE, EVALUATE = slice(0, 2000), slice(0, 200), slice(2000, 2400)
ROWS = 2400


def dense_normalized() -> Specimen:
    """A Normalization layer, adapted; the columns differ in scale by a factor of a thousand.

    An int8 file has one scale for all columns of its input, and loses the small ones.
    """
    start()
    rows, labels = blobs(ROWS, 8, 4)
    normalize = layers.Normalization()
    normalize.adapt(rows[TRAIN])
    model = keras.Sequential(
        [
            keras.Input((8,)),
            normalize,
            layers.Dense(24, activation="relu"),
            layers.Dense(4, activation="softmax", name="kind"),
        ]
    )
    fit(model, rows[TRAIN], labels[TRAIN], epochs=6)
    return _specimen(model, rows, labels, "class", 0.8, ("oak", "ash", "elm", "fir"), FLOATS)


def logits_head() -> Specimen:
    """No softmax: integer labels show that the outputs are classes."""
    start()
    rows, labels = blobs(ROWS, 6, 5, seed=1)
    normalize = layers.Normalization()
    normalize.adapt(rows[TRAIN])
    inputs = keras.Input((6,))
    hidden = layers.Dense(24, activation="relu")(normalize(inputs))
    model = keras.Model(inputs, layers.Dense(5, name="logits")(hidden))
    fit(model, rows[TRAIN], labels[TRAIN], LOGITS, epochs=6)
    return _specimen(model, rows, labels, "class", 0.8, must=FLOATS)


def binary_sigmoid() -> Specimen:
    """One probability."""
    start()
    rows, labels = blobs(ROWS, 6, 2, seed=2)
    normalize = layers.Normalization()
    normalize.adapt(rows[TRAIN])
    model = keras.Sequential(
        [
            keras.Input((6,)),
            normalize,
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid", name="faulty"),
        ]
    )
    fit(model, rows[TRAIN], labels[TRAIN], "binary_crossentropy", epochs=5)
    names, guarded = ("good", "faulty"), frozenset({"tflite"})
    return _specimen(model, rows, labels, "binary", 0.9, names=names, guarded=guarded)


def multilabel_sigmoid() -> Specimen:
    """Three labels at once, each yes or no."""
    start()
    rows = generator(3).normal(0, 1, (ROWS, 10)).astype(np.float32)
    sums = np.stack([rows[:, :4].sum(1), rows[:, 3:7].sum(1), np.abs(rows[:, 7:]).sum(1) - 2.4], 1)
    labels = (sums > 0).astype(np.int64)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(3, activation="sigmoid", name="tags"),
        ]
    )
    fit(model, rows[TRAIN], labels[TRAIN].astype(np.float32), "binary_crossentropy", epochs=10)
    return _specimen(model, rows, labels, "multilabel", 0.85, names=("hot", "wet", "loud"))


def regression_one_column() -> Specimen:
    """A price from four numbers."""
    start()
    rows = generator(4).uniform(0, 10, (ROWS, 4)).astype(np.float32)
    price = 20 + 3 * rows[:, 0] + 2 * np.sin(rows[:, 1]) * rows[:, 2] + rows[:, 3] ** 2 / 5
    normalize = layers.Normalization()
    normalize.adapt(rows[TRAIN])
    model = keras.Sequential(
        [
            keras.Input((4,)),
            normalize,
            layers.Dense(48, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(1),
            layers.Rescaling(15.0, offset=40.0, name="price"),
        ]
    )
    fit(model, rows[TRAIN], price[TRAIN], "mse", epochs=20, rate=1e-2)
    return _specimen(model, rows, price.astype(np.float32), "regression", 0.8)


def regression_two_columns() -> Specimen:
    """A distance of up to 95 and an angle of up to 6.28: one scale would lose the angle."""
    start()
    random = generator(5)
    distance, angle = random.uniform(0, 95, ROWS), random.uniform(0, 2 * np.pi, ROWS)
    echoes = [distance / 50, np.cos(angle), np.sin(angle), np.sqrt(distance) / 5, angle / 6 - 0.5]
    rows = np.stack(echoes, 1) + random.normal(0, 0.01, (ROWS, 5))
    rows = rows.astype(np.float32)
    labels = np.stack([distance, angle], 1).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(2),
            layers.Rescaling([95.0, 6.28], name="place"),
        ]
    )
    fit(model, rows[TRAIN], labels[TRAIN], "mse", epochs=20, rate=5e-3)
    return _specimen(model, rows, labels, "regression", 0.9, must=FLOATS)


def outlier_weights() -> Specimen:
    """One weight a hundred times the others: one scale per tensor ruins the rest."""
    start()
    rows, labels = blobs(ROWS, 8, 4, seed=6)
    normalize = layers.Normalization()
    normalize.adapt(rows[TRAIN])
    model = keras.Sequential(
        [
            keras.Input((8,)),
            normalize,
            layers.Dense(24, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(4, activation="softmax", name="kind"),
        ]
    )
    fit(model, rows[TRAIN], labels[TRAIN], epochs=6)
    hidden = model.layers[2]
    weights, biases = hidden.get_weights()
    weights[:, 0] = 0
    weights[0, 0], biases[0] = 100 * np.abs(weights).max(), 0
    hidden.set_weights([weights, biases])
    after, *rest = model.layers[3].get_weights()
    after[0] = after[0] / 1000
    model.layers[3].set_weights([after, *rest])
    return _specimen(model, rows, labels, "class", 0.7, must=FLOATS)


def bool_input() -> Specimen:
    """Flags, as bool."""
    start()
    flags = generator(7).integers(0, 2, (ROWS, 12)).astype(bool)
    labels = flags[:, :5].sum(1) * 2 > flags[:, 5:].sum(1) + 1
    inputs = keras.Input((12,), dtype="bool")
    hidden = keras.ops.cast(inputs, "float32")
    hidden = layers.Dense(16, activation="relu")(hidden)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="open")(hidden))
    fit(model, flags[TRAIN], labels[TRAIN].astype(np.float32), "binary_crossentropy", epochs=8)
    return _specimen(model, flags, labels.astype(np.int64), "binary", 0.85)


def int64_input() -> Specimen:
    """Codes, as int64, each looked up in a table of vectors."""
    start()
    codes = generator(8).integers(0, 20, (ROWS, 3))
    labels = (codes % 3).sum(1) % 3
    inputs = keras.Input((3,), dtype="int64")
    hidden = layers.Flatten()(layers.Embedding(20, 6)(inputs))
    hidden = layers.Dense(48, activation="relu")(hidden)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="group")(hidden))
    fit(model, codes[TRAIN], labels[TRAIN], epochs=15, rate=1e-2)
    return _specimen(model, codes, labels, "class", 0.8)


def autoencoder() -> Specimen:
    """The output is the input again, without labels."""
    start()
    random = generator(9)
    hidden = random.normal(0, 1, (ROWS, 4)) @ random.normal(0, 1, (4, 20))
    rows = (hidden + random.normal(0, 0.05, hidden.shape)).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(6),
            layers.Dense(32, activation="relu"),
            layers.Dense(20, name="again"),
        ]
    )
    fit(model, rows[TRAIN], rows[TRAIN], "mse", epochs=15, rate=5e-3)
    return Specimen(
        model,
        {"inputs": rows[CALIBRATE]},
        {"inputs": rows[EVALUATE]},
        kinds={"again": "raw"},
        learnt=0.8,
    )


def _specimen(
    model: keras.Model,
    rows: Samples,
    labels: Samples,
    kind: str,
    learnt: float,
    names: tuple[str, ...] = (),
    must: frozenset[tuple[str, str]] = FLOATS | INT8,
    guarded: frozenset[str] = frozenset(),
) -> Specimen:
    """Split a table into calibration and evaluation samples."""
    return Specimen(
        model,
        {"inputs": rows[CALIBRATE]},
        {"inputs": rows[EVALUATE], "labels": labels[EVALUATE]},
        kinds={model.layers[-1].name: kind},
        learnt=learnt,
        must=must,
        names=names,
        guarded=guarded,
    )
