"""The evaluation of a finished model: its outputs, its accuracy and its worst mistakes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.mnist import Bytes, Mnist

_BATCH = 1_000


@dataclass(frozen=True)
class Evaluation:
    """The accuracies and outputs of the finished model.

    Attributes:
        train: accuracy on the 55,000 training images, undistorted.
        validation: accuracy on the 5,000 held out.
        test: accuracy on the 10,000 test images.
        outputs: float32 (10000, 10), the model's outputs on the test images.
    """

    train: float
    validation: float
    test: float
    outputs: NDArray[np.float32]


def evaluate(model: Any, mnist: Mnist) -> Evaluation:
    """Run ``model`` over all of MNIST; called once, when nothing is left to choose.

    Args:
        model: a Keras model, float32 (N, 28, 28) pixels 0..255 to float32 (N, 10).
        mnist: all three parts.
    """
    outputs = predict(model, mnist.test.images)
    return Evaluation(
        train=accuracy(predict(model, mnist.train.images), mnist.train.labels),
        validation=accuracy(predict(model, mnist.validation.images), mnist.validation.labels),
        test=accuracy(outputs, mnist.test.labels),
        outputs=outputs,
    )


def predict(model: Any, images: Bytes) -> NDArray[np.float32]:
    """Run ``model`` over images, in parts.

    Args:
        model: a Keras model, float32 (N, 28, 28) pixels 0..255 to float32 (N, 10).
        images: uint8 (N, 28, 28), 0..255.

    Returns:
        float32 (N, 10), the model's outputs.
    """
    portions = [
        np.asarray(model.predict_on_batch(images[start : start + _BATCH].astype(np.float32)))
        for start in range(0, len(images), _BATCH)
    ]
    return np.concatenate(portions).astype(np.float32, copy=False)


def accuracy(outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Compute the share of rows whose highest output is the label, 0..1.

    Args:
        outputs: float32 (N, 10).
        labels: int64 (N,), 0..9.
    """
    return float(np.mean(outputs.argmax(axis=1) == labels))


def confusion(outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count how many images of each digit were taken for each digit.

    Args:
        outputs: float32 (N, 10).
        labels: int64 (N,), 0..9.

    Returns:
        int64 (10, 10): how many images of the row's digit were taken for the column's.
    """
    counts = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counts, (labels, outputs.argmax(axis=1)), 1)
    return counts


def worst_mistakes(
    outputs: NDArray[np.float32], labels: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Find the wrong answers that gave the right digit the lowest output.

    Args:
        outputs: float32 (N, 10).
        labels: int64 (N,), 0..9.
        count: the most to return.

    Returns:
        int64 (at most ``count``,): indices of wrong answers, lowest output of the label first.
    """
    wrong = np.flatnonzero(outputs.argmax(axis=1) != labels)
    given = outputs[wrong, labels[wrong]] / outputs[wrong].sum(axis=1)
    return wrong[np.argsort(given, kind="stable")][:count]
