"""Models of several inputs or outputs."""

from __future__ import annotations

import keras
import numpy as np

from tests.models.zoo.data import digits, generator, waves
from tests.models.zoo.specimen import FLOATS, Arrays, Specimen
from tests.models.zoo.training import CLASSES, fit, start

layers = keras.layers
TRAIN, CALIBRATE, EVALUATE = slice(0, 3000), slice(0, 150), slice(3000, 3300)


def two_inputs() -> Specimen:
    """A picture, uint8, and a table of three numbers; the table's name comes first
    alphabetically and last in the model's order.
    """
    start()
    images, labels = digits()
    table = _table(labels)
    picture = keras.Input((28, 28, 1), name="picture")
    measured = keras.Input((3,), name="measured")
    seen = layers.Conv2D(8, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(picture))
    seen = layers.Flatten()(layers.MaxPooling2D()(seen))
    told = layers.Dense(16, activation="relu")(measured)
    hidden = layers.Concatenate()([seen, told])
    answer = layers.Dense(10, activation="softmax", name="digit")(hidden)
    model = keras.Model([picture, measured], answer)
    given = {"picture": images[..., None], "measured": table}
    fit(model, [given["picture"][TRAIN], table[TRAIN]], labels[TRAIN])
    return Specimen(
        model,
        _part(given, CALIBRATE),
        {**_part(given, EVALUATE), "labels": labels[EVALUATE]},
        kinds={"digit": "class"},
        learnt=0.85,
        names=tuple("0123456789"),
    )


def inputs_by_name() -> Specimen:
    """Inputs as a dict of two tables, one of them int32."""
    start()
    random = generator(1)
    n = 2400
    floats = random.normal(0, 1, (n, 4)).astype(np.float32)
    codes = random.integers(0, 8, (n, 1)).astype(np.int32)
    labels = (floats[:, 0] + (codes[:, 0] % 2) * 2 - 1 > 0).astype(np.int64)
    inputs = {
        "numbers": keras.Input((4,), name="numbers"),
        "code": keras.Input((1,), dtype="int32", name="code"),
    }
    looked_up = layers.Flatten()(layers.Embedding(8, 4)(inputs["code"]))
    hidden = layers.Concatenate()([inputs["numbers"], looked_up])
    hidden = layers.Dense(16, activation="relu")(hidden)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="accept")(hidden))
    given = {"numbers": floats, "code": codes}
    fit(model, _part(given, slice(0, 2000)), labels[:2000], "binary_crossentropy", epochs=6)
    judge = slice(2000, 2400)
    return Specimen(
        model,
        _part(given, CALIBRATE),
        {**_part(given, judge), "labels": labels[judge]},
        kinds={"accept": "binary"},
        learnt=0.85,
    )


def two_outputs() -> Specimen:
    """A dict of a class, the digit, and a regression, the amount of ink."""
    start()
    images, labels = digits()
    ink = images.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    inputs = keras.Input((28, 28, 1))
    hidden = layers.Rescaling(1 / 255)(inputs)
    hidden = layers.Conv2D(8, 3, strides=2, activation="relu")(hidden)
    hidden = layers.Flatten()(layers.MaxPooling2D()(hidden))
    hidden = layers.Dense(32, activation="relu")(hidden)
    outputs = {
        "digit": layers.Dense(10, activation="softmax")(hidden),
        "ink": layers.Rescaling(30.0)(layers.Dense(1)(hidden)),
    }
    model = keras.Model(inputs, outputs)
    pictures = images[..., None]
    truth = {"digit": labels[TRAIN], "ink": ink[TRAIN]}
    losses, weights = {"digit": CLASSES, "ink": "mse"}, {"digit": 1.0, "ink": 0.003}
    fit(model, pictures[TRAIN], truth, losses, epochs=5, weights=weights)
    return Specimen(
        model,
        {"inputs": pictures[CALIBRATE]},
        {
            "inputs": pictures[EVALUATE],
            "labels.digit": labels[EVALUATE],
            "labels.ink": ink[EVALUATE],
        },
        kinds={"digit": "class", "ink": "regression"},
        learnt=0.75,
        must=FLOATS,
    )


def two_in_two_out() -> Specimen:
    """Lists of two inputs and of two outputs."""
    start()
    random = generator(2)
    n = 2400
    left, right = random.normal(0, 1, (2, n, 6)).astype(np.float32)
    which = (left[:, 0] > right[:, 0]).astype(np.int64) + (left[:, 1] > right[:, 1])
    both = (left[:, :2] * 3 + right[:, :2]).astype(np.float32)
    one, other = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    hidden = layers.Concatenate()([one, other])
    hidden = layers.Dense(48, activation="relu")(hidden)
    outputs = [
        layers.Dense(3, activation="softmax", name="which")(hidden),
        layers.Dense(2, name="sums")(hidden),
    ]
    model = keras.Model([one, other], outputs)
    train, judge = slice(0, 2000), slice(2000, 2400)
    fit(
        model,
        [left[train], right[train]],
        [which[train], both[train]],
        [CLASSES, "mse"],
        epochs=12,
        rate=5e-3,
    )
    given = {"left": left, "right": right}
    return Specimen(
        model,
        _part(given, CALIBRATE),
        {**_part(given, judge), "labels.which": which[judge], "labels.sums": both[judge]},
        kinds={"which": "class", "sums": "regression"},
        learnt=0.8,
    )


def series_of_any_length() -> Specimen:
    """A series, whose number of steps --shape fixes by the input's name, and a table."""
    start()
    waving, labels = waves(1800, 16, 3, 3, seed=6)
    table = _table(labels)[:, :2]
    series, told = keras.Input((None, 3), name="series"), keras.Input((2,), name="table")
    hidden = layers.Conv1D(16, 3, padding="same", activation="relu")(series)
    hidden = layers.Concatenate()([layers.GlobalAveragePooling1D()(hidden), told])
    model = keras.Model([series, told], layers.Dense(3, activation="softmax", name="tone")(hidden))
    train, judge = slice(0, 1500), slice(1500, 1800)
    fit(model, [waving[train], table[train]], labels[train], epochs=8, rate=1e-2)
    given = {"series": waving, "table": table}
    return Specimen(
        model,
        _part(given, CALIBRATE),
        {**_part(given, judge), "labels": labels[judge]},
        kinds={"tone": "class"},
        learnt=0.8,
        options=("--shape", "series=16,3"),
    )


def _part(arrays: Arrays, part: slice) -> dict[str, np.ndarray]:
    return {name: array[part] for name, array in arrays.items()}


def _table(labels: np.ndarray) -> np.ndarray:
    """Measure three features of each digit: float32 (N, 3)."""
    random = generator(3)
    told = np.stack([labels % 2, labels // 5, labels % 3], 1)
    return (told + random.normal(0, 0.3, told.shape)).astype(np.float32)
