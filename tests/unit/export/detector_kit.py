"""A detector: pictures with one square, a box and a score for each quarter, and metrics of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop_export import source
from tests.unit.export import source_kit as kit

SIDE, UNITS = 16, 160
CALIBRATE, EVALUATE = slice(0, 1000), slice(1000, 1300)

# A user's file, as --metric takes it.
METRIC = '''
import numpy as np


def average_precision(outputs, labels):
    """Rank the best box of each picture by its score; half of a box must be right.

    Args:
        outputs: (N, quarters, 5), a box (x, y, width, height) and a score.
        labels: (N, 4), the true box.
    """
    found = best(outputs)
    order = np.argsort(-found[:, 4])
    hits = iou(found[:, :4], labels)[order] >= 0.5
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return (precision * hits).sum() / len(hits)


def mean_iou(outputs, labels):
    return iou(outputs[:, 0, :4], labels).mean()


def best(outputs):
    return outputs[np.arange(len(outputs)), outputs[..., 4].argmax(axis=1)]


def iou(ours, theirs):
    low = np.maximum(ours[:, :2] - ours[:, 2:] / 2, theirs[:, :2] - theirs[:, 2:] / 2)
    high = np.minimum(ours[:, :2] + ours[:, 2:] / 2, theirs[:, :2] + theirs[:, 2:] / 2)
    both = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(np.maximum(ours[:, 2:], 0), axis=1) + np.prod(theirs[:, 2:], axis=1)
    return both / np.maximum(areas - both, 1e-9)
'''


def detector(folder: Path, outlier: float) -> source.Files:
    """Make a detector whose first hidden units are some times larger than the others.

    The next layer undoes it, so the function stays the same, but int8 loses the others.
    """
    (folder / "my_map.py").write_text(METRIC, encoding="utf-8")
    pictures, boxes = _squares()
    kit.keras.utils.set_random_seed(4)
    model = kit.chain(
        (SIDE, SIDE),
        kit.keras.layers.Rescaling(1 / 255),
        kit.keras.layers.Flatten(),
        kit.dense(UNITS, "relu", name="hidden"),
        kit.dense(20, name="boxes"),
        kit.keras.layers.Reshape((4, 5)),
    )
    hidden, last = model.get_layer("hidden"), model.get_layer("boxes")
    features = kit.keras.Model(model.inputs[0], hidden.output)
    ones = np.c_[np.asarray(features(pictures.astype(np.float32))), np.ones(len(pictures))]
    solved = np.linalg.lstsq(ones[CALIBRATE], _wanted(boxes)[CALIBRATE], rcond=1e-3)[0]
    size = np.where(np.arange(UNITS) < UNITS // 8, outlier, 1.0)
    hidden.set_weights([weights * size for weights in hidden.get_weights()])
    last.set_weights([solved[:-1] / size[:, None], solved[-1]])
    calibration, evaluation = (
        {"inputs": pictures[part], "labels": boxes[part]} for part in (CALIBRATE, EVALUATE)
    )
    return kit.saved(folder, model, calibration, evaluation)


def _squares() -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw a bright square on noise, and return its box: x, y, width, height, 0..1."""
    random = np.random.default_rng(4)
    count = EVALUATE.stop
    pictures = random.integers(0, 60, (count, SIDE, SIDE)).astype(np.uint8)
    sizes = random.integers(4, 8, count)
    corners = random.integers(0, SIDE - 7, (count, 2))
    for picture, size, (x, y) in zip(pictures, sizes, corners, strict=True):
        picture[y : y + size, x : x + size] = 230
    boxes = np.c_[corners + sizes[:, None] / 2, sizes, sizes] / SIDE
    return pictures, boxes.astype(np.float32)


def _wanted(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the box in every quarter, and a score of 1 in that of its centre, (N, 20)."""
    quarter = (boxes[:, 0] > 0.5) + 2 * (boxes[:, 1] > 0.5)
    scores = np.eye(4)[quarter][..., None]
    repeated: Any = np.repeat(boxes[:, None], 4, axis=1)
    return np.concatenate([repeated, scores], axis=2).reshape(len(boxes), 20)
