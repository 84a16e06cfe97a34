"""Class probabilities compared with Keras's, by export's own figures."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export import figures


class Figures(NamedTuple):
    """The figures of one run over all samples."""

    samples: int
    disagreements: int
    max_abs_error: float
    accuracy: float | None
    keras_accuracy: float | None
    top1_agreement: float


def compare(ours: NDArray[Any], keras: NDArray[Any], labels: NDArray[Any] | None) -> Figures:
    """Compare (N, classes); outputs of another shape, or not finite, have an infinite error."""
    samples = len(keras)
    if ours.shape != keras.shape or not np.isfinite(ours).all():
        return Figures(samples, samples, math.inf, None, None, 0.0)
    shape = (None, *keras.shape[1:])
    spec = OutputSpec("probabilities", shape, "float32", (0.0, 1.0), (), "class", False, None)
    found = figures.compare(spec, ours, keras, labels)
    return Figures(samples, *(found[name] for name in Figures._fields[1:]))
