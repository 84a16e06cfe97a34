"""The quality of a model of the zoo, by the kind of its output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def figure(
    kind: str,
    answers: NDArray[Any],
    labels: NDArray[Any] | None,
    inputs: Mapping[str, NDArray[Any]],
) -> float:
    """Return one figure, higher is better: the share of right answers, or of explained variance.

    Args:
        kind: the output's kind.
        answers: (N, ...), Keras's answers.
        labels: (N, ...), the truth; without it, an output of the input's shape is judged as its
            reconstruction, and any other by its variation from sample to sample.
        inputs: the samples.
    """
    answers = answers.astype(np.float64)
    if labels is None:
        (samples,) = inputs.values()
        if samples.shape == answers.shape:
            return explained(answers, samples.astype(np.float64))
        return float(answers.std(axis=0).mean())
    if kind in ("regression", "raw"):
        return explained(answers, labels.reshape(answers.shape).astype(np.float64))
    if labels.ndim == answers.ndim and kind != "binary" and answers.shape[-1] == labels.shape[-1]:
        return float(np.mean((answers > _middle(answers)) == (labels > 0)))
    if answers.shape[-1] == 1:
        decided = answers[..., 0] > _middle(answers)
        return float(np.mean(decided == (labels.reshape(decided.shape) > 0)))
    return float(np.mean(answers.argmax(axis=-1) == labels))


def explained(answers: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the smallest share of the variance that a column's answers explain (R squared)."""
    axes = tuple(range(answers.ndim - 1))
    missed = ((answers - truth) ** 2).mean(axis=axes)
    spread = truth.var(axis=axes)
    varies = spread > 1e-9 * max(float(spread.max()), 1e-12)
    return float(np.min(1 - missed[varies] / spread[varies]))


def errors(answers: NDArray[Any], samples: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean squared error of each sample's reconstruction: float64 (N,)."""
    missed = answers.astype(np.float64) - samples.astype(np.float64)
    squared: NDArray[np.float64] = (missed**2).reshape(len(missed), -1).mean(axis=1)
    return squared


def auc(scores: NDArray[np.float64], faults: NDArray[np.bool_]) -> float:
    """Return how often a fault's score is above a good sample's: 0.5 for guessing."""
    bad, good = scores[faults], scores[~faults]
    above = (bad[:, None] > good).mean() + (bad[:, None] == good).mean() / 2
    return float(above)


def _middle(answers: NDArray[Any]) -> float:
    """Return the threshold: 0.5 for probabilities, 0 for logits."""
    return 0.5 if answers.min() >= 0 and answers.max() <= 1 else 0.0
