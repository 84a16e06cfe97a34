"""Outputs of each kind, and their tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.proof.prove import Run, Truth
from strop_export.tolerances import Tolerance, tolerances

OWN = tolerances("a-model-of-ones-own")  # the bounds of any model
MNIST = tolerances("mnist-mlp")  # by plain counts


def spec(
    kind: str,
    shape: tuple[int, ...] = (4,),
    *,
    name: str = "scores",
    threshold: float | None = None,
) -> OutputSpec:
    if threshold is None and kind in ("binary", "multilabel"):
        threshold = 0.5
    logits = threshold == 0.0
    return OutputSpec(name, (None, *shape), "float32", None, (), kind, logits, threshold)


def run(*outputs: NDArray[Any], engine: str = "litert", version: str = "1", **place: str) -> Run:
    return Run(engine, version, outputs, **place)


def truth(
    of: OutputSpec | tuple[OutputSpec, ...],
    keras: NDArray[Any] | tuple[NDArray[Any], ...],
    labels: NDArray[Any] | tuple[NDArray[Any] | None, ...] | None = None,
) -> Truth:
    """The reference for one output or several."""
    if isinstance(of, OutputSpec):
        assert not isinstance(keras, tuple)
        assert not isinstance(labels, tuple)
        return Truth((of,), (keras,), (labels,))
    assert isinstance(keras, tuple)
    known = labels if isinstance(labels, tuple) else (None,) * len(keras)
    return Truth(of, keras, known)


def probabilities(samples: int = 100, classes: int = 4, seed: int = 1) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    raw = random.random((samples, classes), np.float32)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True), np.float32)


def swapped(outputs: NDArray[Any], count: int) -> NDArray[Any]:
    """Move the top class of the first `count` rows."""
    changed = outputs.copy()
    changed[:count] = np.roll(changed[:count], 1, axis=1)
    return changed


__all__ = ["MNIST", "OWN", "Tolerance", "probabilities", "run", "spec", "swapped", "truth"]
