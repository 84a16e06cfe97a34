"""The golden samples, which a device replays, and the tolerance of its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.figures import DECIDED, Values, by_column, columns
from strop_export.proof.judge import scale, usual
from strop_export.proof.prove import Truth

_MOST_TOLERANCES = 1024  # numbers in a manifest, for one output of one variant
_ROUNDING = 1e-5  # of float32, relative to a value's size
_LEAST_ROUNDING = 1e-6  # a few units in the last place of float32
_FAR = 4  # times the spread of the middle values
_MOST_STEPS = 256  # values that a quantized output can have
_LEAST_STEPS = 64  # steps over its range; fewer do not prove that it is quantized


def golden_tolerance(
    spec: OutputSpec, keras: Values, bound: float, proven: Values | None = None
) -> tuple[float, ...]:
    """Return how far an engine may be from the proven outputs, in absolute numbers.

    For decisions it is one number. For values it is one for each position of the last axis, by the
    spread of Keras's values there: one number for all would miss errors in the smaller ones.

    Args:
        spec: the output.
        keras: Keras's answers, (N, ...).
        bound: the tolerance `golden`, for outputs of size about 1; 0: outputs must be equal.
        proven: the answers of an int8 file, (N, ...); if they are steps of a quantized output, an
            engine may be off by one step, however small the values are.
    """
    if keras.dtype.kind != "f" or not bound:
        return (0.0,)  # integers and booleans must be equal, too
    values = by_column(keras)
    distance, size = _distance(values), np.abs(values).max(axis=0)
    if spec.kind in DECIDED:
        whole, apart = scale(keras), float(np.ptp(usual(values)))
        # If all answers are close together, a bound meant for 0..1 would pass anything.
        room = bound * (whole if apart >= whole / 2 else apart)
        return (max(room, _LEAST_ROUNDING * float(np.median(size))),)
    if len(size) > _MOST_TOLERANCES:
        values = values.reshape(-1, 1)
        distance, size = _distance(values), np.abs(values).max(axis=0)
    # Rounding in float32 grows with the size, not with the spread.
    rounding = _ROUNDING * np.maximum(size, 1e-3 * size.max())
    step = 0.0 if proven is None else _step(proven)
    return tuple((bound * distance + rounding + 1.5 * step).tolist())


def _distance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spread of the values of each column, without a few outliers."""
    low, high = np.percentile(values, (5, 95), axis=0)
    middle, whole = high - low, np.ptp(values, axis=0)
    return np.asarray(np.where((middle > 0) & (whole > _FAR * middle), middle, whole))


def _step(proven: Values) -> float:
    """Return the step between the values of a quantized output; 0 if it is not quantized."""
    levels = np.unique(np.asarray(proven, np.float64))
    if not 1 < len(levels) <= _MOST_STEPS or len(levels) > proven.size // 2:
        return 0.0
    step = float(np.diff(levels).min())
    return step if step * _LEAST_STEPS <= np.ptp(levels) else 0.0


def golden_indices(
    truth: Truth,
    outputs: Iterable[tuple[Sequence[tuple[Values, ...]], float]],
    *,
    count: int = 128,
    seed: int = 20,
) -> NDArray[np.int64]:
    """Choose the samples that a device replays: half at random, half those Keras is least sure of.

    A sample is skipped if two healthy engines here differ on it by more than half of the golden
    tolerance: int8 kernels round differently, the hardest images amplify that, and the sample would
    fail good devices.

    Args:
        truth: the reference for runs.
        outputs: for each variant, the answers of each of its engines, and its golden tolerance, for
            outputs of size about 1.
        count: how many samples to choose.
        seed: the seed of the random choice.

    Returns:
        Ascending indices, int64 (min(count, N),), or fewer if the engines agree on fewer.
    """
    steady = np.ones(truth.samples, bool)
    for runs, bound in outputs:
        for i, spec in enumerate(truth.specs):
            arrays = [np.asarray(run[i], np.float64) for run in runs]
            apart = np.max(arrays, axis=0) - np.min(arrays, axis=0)
            half = np.asarray(golden_tolerance(spec, truth.keras[i], bound)) / 2
            steady &= columns(apart <= half).all(axis=1)
    candidates = np.flatnonzero(steady)
    margins = _margins(truth)
    hard = candidates[np.argsort(margins[candidates], kind="stable")][: count // 2]
    rest = np.setdiff1d(candidates, hard)
    random = np.random.Generator(np.random.PCG64(seed))
    chosen = random.choice(rest, min(count - len(hard), len(rest)), replace=False)
    indices: NDArray[np.int64] = np.sort(np.concatenate([hard, chosen]))
    return indices


def _margins(truth: Truth) -> NDArray[np.float64]:
    """Return how sure Keras is of each sample, by the first output that decides; 0 if none does."""
    for spec, keras in zip(truth.specs, truth.keras, strict=True):
        if spec.kind == "class":
            best = np.partition(keras, -2, axis=1)
            return np.asarray(best[:, -1] - best[:, -2], np.float64)
        if spec.threshold is not None:
            return np.asarray(columns(np.abs(keras - spec.threshold)).min(axis=1))
    return np.zeros(truth.samples)
