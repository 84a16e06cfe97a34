"""Models that int8 ruins, fitted by least squares: random hidden units, and a solved last layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export import source
from tests.unit.export import source_kit as kit

CALIBRATE, EVALUATE = slice(0, 300), slice(300, 800)
SAMPLES = 800


def outlier(folder: Path) -> source.Files:
    """Pictures of six kinds; eight units are 1,000 times larger, and the next layer undoes it.

    The function stays the same, but one int8 scale cannot hold both sizes.
    """
    kit.keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    kinds = random.integers(0, 6, SAMPLES)
    shapes = random.integers(0, 256, (6, 8, 8))
    noise = random.normal(0, 70, (SAMPLES, 8, 8))
    pictures = (shapes[kinds] * 0.5 + 64 + noise).clip(0, 255).astype(np.uint8)
    model = kit.chain(
        (8, 8),
        kit.keras.layers.Rescaling(1 / 255),
        kit.keras.layers.Flatten(),
        kit.dense(48, "relu", name="large"),
        kit.dense(48, "relu", name="undone"),
        kit.dense(6, "softmax", name="kind"),
    )
    _solve(model, pictures, kinds)
    size = np.ones(48, np.float32)
    size[:8] = 1000
    large, undone = model.get_layer("large"), model.get_layer("undone")
    large.set_weights([weights * size for weights in large.get_weights()])
    weights, bias = undone.get_weights()
    undone.set_weights([weights / size[:, None], bias])
    return _saved(folder, model, pictures, kinds)


def sensors(folder: Path) -> source.Files:
    """Four sensors of very different ranges, scaled by a Normalization layer."""
    kit.keras.utils.set_random_seed(2)
    random = np.random.default_rng(2)
    scaled = random.normal(size=(SAMPLES, 4))
    rows = (np.array([1013, 21, 400, 0.5]) + [10, 5, 200, 0.2] * scaled).astype(np.float32)
    kinds = (scaled[:, 0] + scaled[:, 1] * scaled[:, 3] > 0).astype(np.int64)
    normalization = kit.keras.layers.Normalization(name="normalization")
    normalization.adapt(rows)
    model = kit.chain((4,), normalization, kit.dense(64, "relu"), kit.dense(2, "softmax"))
    _solve(model, rows, kinds)
    return _saved(folder, model, rows, kinds)


def _solve(model: Any, samples: NDArray[Any], kinds: NDArray[np.int64]) -> None:
    """Fit the last layer by least squares to the kinds of the training samples."""
    *_, before, last = model.layers
    features = kit.keras.Model(model.inputs[0], before.output)
    hidden = np.asarray(features(samples.astype(np.float32)))
    ones = np.c_[hidden, np.ones(len(hidden))]
    wanted = np.eye(last.units)[kinds] * 8
    solved = np.linalg.lstsq(ones[CALIBRATE], wanted[CALIBRATE], rcond=1e-2)[0].astype(np.float32)
    last.set_weights([solved[:-1], solved[-1]])


def _saved(
    folder: Path, model: Any, samples: NDArray[Any], kinds: NDArray[np.int64]
) -> source.Files:
    parts = [{"inputs": samples[part], "labels": kinds[part]} for part in (CALIBRATE, EVALUATE)]
    return kit.saved(folder, model, *parts)
