"""Figures of samples and answers: a few numbers of each, whose histograms show a change of data.

Export measures the calibration samples and Keras's answers to them, for the profile in the
manifest; a model that counts measures what it is given and what it answers. Both call this module:
equal arrays have equal figures. docs/drift.md names the figures.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from strop.bundle.schema import CLASS, MAX_CLASSES, MAX_FIGURES, MAX_INPUT_FIGURES

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec, OutputSpec

    Figures = NDArray[np.float64]

SIDE = 4  # cells of a grid along an axis
PARTS = 16  # of a vector
CONFIDENCE, MEAN, SPREAD, VALUE = "confidence", "mean", "spread", "value"

# Of a larger sample not every value is measured, so that a figure costs no more time and memory.
_MAX_VALUES = 2**16
_AT_A_TIME = 2**18  # values that are measured together


class _Layout(NamedTuple):
    """What is measured of a sample of one shape."""

    figures: tuple[str, ...]
    thinned: tuple[slice, ...]  # the values that are looked at, on each axis
    rows: tuple[int, ...] = ()  # where each row of the grid begins; of a vector: each part
    columns: tuple[int, ...] = ()  # where each column of the grid begins
    sizes: Figures = np.ones(0)  # values in each cell or part


def figures_of_inputs(spec: InputSpec, inputs: int = 1) -> tuple[str, ...]:
    """Name the figures of an input's samples.

    They are "mean" and "spread" (the standard deviation), and where the values lie: "cell R C", the
    mean of each cell of a grid over the first two axes; of a vector each "value I", or the mean of
    each "part I" of a longer one. A single value is the only figure, "value".

    Args:
        spec: the input.
        inputs: how many inputs the model has. Of many, each has fewer figures.

    Returns:
        1 to `MAX_FIGURES` names; of all inputs together at most `MAX_INPUT_FIGURES`.
    """
    return _layout(spec.shape[1:], min(MAX_FIGURES, MAX_INPUT_FIGURES // inputs)).figures


def measure_inputs(array: NDArray[Any], spec: InputSpec, inputs: int = 1) -> Figures:
    """Measure samples of an input.

    Args:
        array: (N, ...), of the input's shape, as the app gives it.
        spec: the input.
        inputs: how many inputs the model has.

    Returns:
        float64 (N, figures), in the order of `figures_of_inputs`.
    """
    samples = array.astype(spec.dtype, copy=False)  # as the model sees them
    return _measure(samples, _layout(spec.shape[1:], min(MAX_FIGURES, MAX_INPUT_FIGURES // inputs)))


def figures_of_outputs(spec: OutputSpec, outputs: int = 1) -> tuple[str, ...]:
    """Name the figures of an output's answers.

    They are "confidence", the probability of what is decided (the mean of those of all columns or
    pixels), and "class", the class that is decided for. A quantity or an output of unknown meaning
    has "mean" and "spread", or its only "value".

    Args:
        spec: the output.
        outputs: how many outputs the model has. Of many, each has "class" for fewer classes.
    """
    if spec.kind in ("regression", "raw"):
        return _layout(spec.shape[1:], 2).figures
    counted = 0 < classes_of(spec) <= MAX_CLASSES // outputs
    return (CONFIDENCE, CLASS) if counted else (CONFIDENCE,)


def measure_outputs(array: NDArray[Any], spec: OutputSpec, outputs: int = 1) -> Figures:
    """Measure answers of an output.

    Args:
        array: (N, ...), as `Model.predict` returns them.
        spec: the output.
        outputs: how many outputs the model has.

    Returns:
        float64 (N, figures), in the order of `figures_of_outputs`; a class is its number.
    """
    if spec.kind in ("regression", "raw"):
        return _measure(array, _layout(spec.shape[1:], 2))
    figures = figures_of_outputs(spec, outputs)
    found = np.empty((len(array), len(figures)))
    size = array[:1].size
    step = max(1, _AT_A_TIME // size)
    with np.errstate(all="ignore"):  # infinities have figures too
        for start in range(0, len(array), step):
            part, place = array[start : start + step], found[start : start + step]
            place[:, 0] = _confidence(part, spec)
            if len(figures) > 1:
                place[:, 1] = _decided(part, spec)
    return found


def bins(values: Figures, edges: tuple[float, ...]) -> NDArray[np.intp]:
    """Return the bin that each value falls into: the number of edges that are not above it.

    Args:
        values: (N,), of one figure. NaN falls into the last bin.
        edges: of the figure's bins; () for the numbers of classes, which are bins themselves.
    """
    if not edges:
        return values.astype(np.intp)
    return np.searchsorted(edges, values, side="right")


def classes_of(spec: OutputSpec) -> int:
    """Return how many classes an output decides between; 0 if it does not decide for one."""
    if spec.kind == "class":
        return spec.shape[-1] or 0
    return 2 if spec.kind == "binary" else 0


def _confidence(array: NDArray[Any], spec: OutputSpec) -> Figures:
    """Return the probability of what is decided, its mean over columns or pixels: (N,)."""
    samples = len(array)
    among = spec.kind == "class" or (spec.kind == "segmentation" and spec.shape[-1] != 1)
    if not among:  # each value is a yes or no
        values = array.reshape(samples, -1)[:, _every(array[:1].size)].astype(np.float64)
        yes = 1 / (1 + np.exp(-values)) if spec.logits else values
        decided = np.maximum(yes, 1 - yes)
    else:
        classes = array.shape[-1]
        rows = array.reshape(samples, -1, classes)
        rows = rows[:, _every(rows.shape[1], classes)].astype(np.float64)
        top = rows.max(axis=2)
        decided = 1 / np.exp(rows - top[..., np.newaxis]).sum(axis=2) if spec.logits else top
    return np.asarray(decided.sum(axis=1) / decided.shape[1])


def _decided(array: NDArray[Any], spec: OutputSpec) -> Figures:
    """Return the number of the class that is decided for: (N,)."""
    rows = array.reshape(len(array), -1)
    if spec.kind == "binary":
        return np.array(rows[:, 0] > spec.threshold, np.float64)
    return np.array(rows.argmax(axis=1), np.float64)


def _every(count: int, size: int = 1) -> slice:
    """Return every value, or every nth of many; each stands for `size` of them."""
    return slice(None, None, max(1, -(-count * size // _MAX_VALUES)))


@functools.lru_cache(maxsize=256)
def _layout(sample: tuple[int, ...], most: int) -> _Layout:
    """Decide what is measured of samples of a shape.

    Args:
        sample: the shape of one.
        most: how many figures there may be, 1 or more.
    """
    steps = [1] * len(sample)
    left = list(sample)
    while math.prod(left) > _MAX_VALUES:
        axis = left.index(max(left))
        steps[axis] *= 2
        left[axis] = -(-sample[axis] // steps[axis])
    thinned = tuple(slice(None, None, step) for step in steps)
    if math.prod(left) == 1:
        return _Layout((VALUE,), thinned)
    figures: tuple[str, ...] = (MEAN, SPREAD)[:most]
    most -= len(figures)
    if most < 2:  # a single part or cell is the mean again
        return _Layout(figures, thinned)
    columns: tuple[int, ...] = ()
    if len(left) == 1:
        (size,) = left
        if size <= min(PARTS, most):
            return _Layout((*figures, *(f"value {i}" for i in range(size))), thinned)
        parts = min(PARTS, most)
        rows = _starts(size, parts)
        names = [f"part {i}" for i in range(len(rows))]
        lengths = _lengths(rows, size)
    else:
        side = min(SIDE, math.isqrt(most))
        rows, columns = _starts(left[0], side), _starts(left[1], side)
        names = [f"cell {r} {c}" for r in range(len(rows)) for c in range(len(columns))]
        beside = math.prod(left[2:])
        wide = _lengths(columns, left[1])
        lengths = tuple(r * c * beside for r in _lengths(rows, left[0]) for c in wide)
    if len(names) < 2:
        return _Layout(figures, thinned)
    return _Layout((*figures, *names), thinned, rows, columns, np.array(lengths, np.float64))


def _starts(size: int, parts: int) -> tuple[int, ...]:
    parts = min(size, parts)
    return tuple(i * size // parts for i in range(parts))


def _lengths(starts: tuple[int, ...], size: int) -> tuple[int, ...]:
    return tuple(b - a for a, b in zip(starts, (*starts[1:], size), strict=True))


def _measure(array: NDArray[Any], layout: _Layout) -> Figures:
    found = np.empty((len(array), len(layout.figures)))
    thinned = array[(slice(None), *layout.thinned)]
    step = max(1, _AT_A_TIME // math.prod(thinned.shape[1:]))
    with np.errstate(all="ignore"):  # infinities have figures too
        for start in range(0, len(array), step):
            # Copied in one order, so that the sums of a sample do not depend on those beside it.
            part = np.array(thinned[start : start + step], np.float64, order="C")
            _measure_part(part, layout, found[start : start + step])
    return found


def _measure_part(part: Figures, layout: _Layout, found: Figures) -> None:
    """Measure samples into the places for their figures: (N, ...) -> (N, figures)."""
    flat = part.reshape(len(part), -1)  # (N, values)
    count, size = found.shape[1], flat.shape[1]
    if layout.figures == (VALUE,):
        found[:] = flat
        return
    mean = np.add.reduce(flat, axis=1) / size  # (N,)
    found[:, 0] = mean
    if count == 1:
        return
    apart = flat - mean[:, np.newaxis]
    found[:, 1] = np.sqrt(np.add.reduce(apart * apart, axis=1) / size)
    if count == 2:
        return
    if not layout.rows:
        found[:, 2:] = flat
        return
    sums = np.add.reduceat(part, layout.rows, axis=1)  # (N, rows, ...)
    if layout.columns:
        sums = np.add.reduceat(sums, layout.columns, axis=2)  # (N, rows, columns, ...)
        sums = sums.reshape(len(part), count - 2, -1)
        sums = np.add.reduce(sums, axis=2) if sums.shape[2] > 1 else sums[:, :, 0]  # (N, cells)
    found[:, 2:] = sums / layout.sizes
