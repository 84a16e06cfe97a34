"""The profile of inputs and outputs: histograms of the calibration samples' figures.

A device that counts compares its own samples with them: docs/drift.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import Histogram, InputSpec, OutputSpec
from strop.bundle.schema import CLASS
from strop.model import profile

_PARTS = 10  # bins that hold about as many samples each
_FEW, _MANY = 0.05, 0.15  # of all samples
_SAME = 1e-6  # of a figure's largest value: what lies closer together is one value


def of_inputs(
    specs: Sequence[InputSpec], samples: Sequence[NDArray[np.generic]]
) -> tuple[InputSpec, ...]:
    """Return inputs with their profiles.

    Args:
        specs: the inputs.
        samples: the calibration samples, (N, ...) for each.
    """
    count = len(specs)
    return tuple(
        spec._replace(
            profile=_histograms(
                profile.figures_of_inputs(spec, count), profile.measure_inputs(array, spec, count)
            )
        )
        for spec, array in zip(specs, samples, strict=True)
    )


def of_outputs(
    specs: Sequence[OutputSpec], answers: Sequence[NDArray[np.generic]]
) -> tuple[OutputSpec, ...]:
    """Return outputs with their profiles.

    Args:
        specs: the outputs.
        answers: Keras's answers to the calibration samples, (N, ...) for each.
    """
    count = len(specs)
    return tuple(
        spec._replace(
            profile=_histograms(
                profile.figures_of_outputs(spec, count),
                profile.measure_outputs(array, spec, count),
                profile.classes_of(spec),
            )
        )
        for spec, array in zip(specs, answers, strict=True)
    )


def _histograms(
    figures: Sequence[str], measured: NDArray[np.float64], classes: int = 0
) -> tuple[Histogram, ...]:
    """Count how often each figure fell into each bin: (N, figures) -> a histogram for each."""
    largest = float(np.abs(measured).max())
    found = []
    for figure, values in zip(figures, measured.T, strict=True):
        bounds = () if figure == CLASS else edges(values, largest)
        bins = profile.bins(values, bounds)
        counts = np.bincount(bins, minlength=classes if figure == CLASS else len(bounds) + 1)
        found.append(Histogram(figure, bounds, tuple(counts.tolist())))
    return tuple(found)


def edges(values: NDArray[np.float64], largest: float) -> tuple[float, ...]:
    """Choose the edges of a figure's bins: its deciles.

    A value that many samples share has a bin of its own, so that other values are seen. Each edge
    lies between two values that occur, and is the number of fewest digits there: a difference of
    rounding does not move a sample into another bin.

    Args:
        values: (N,), one of each sample, N >= 1.
        largest: the largest figure beside it, by magnitude; what a 0 that never changes is compared
            with.

    Returns:
        1 to 9 edges, ascending.
    """
    unit = _SAME * (float(np.abs(values).max()) or largest or 1.0)
    ordered = np.sort(np.rint(values / unit))  # (N,) in units
    known = np.unique(ordered)
    deciles = ordered[[len(ordered) * i // _PARTS for i in range(1, _PARTS)]]
    found = set()
    for value, times in zip(*np.unique(deciles, return_counts=True), strict=True):
        place = int(np.searchsorted(known, value))
        first, last = place == 0, place == len(known) - 1
        below = value - 1 if first else known[place - 1]
        above = value + 1 if last else known[place + 1]
        alone = times > 1  # a tenth of all samples or more have it
        if alone or not first:
            found.add(_between(below * unit, value * unit))
        if alone or first:
            found.add(_between(value * unit, above * unit))
    return _joined(sorted(found), ordered * unit)


def _joined(edges: list[float], values: NDArray[np.float64]) -> tuple[float, ...]:
    """Join a bin of few samples with the next one, unless that is much more than a tenth of all.

    Few samples lie between a value that many share and the next decile; by so few nothing is told.
    """
    while True:
        counts = np.bincount(profile.bins(values, tuple(edges)), minlength=len(edges) + 1)
        sums = counts[:-1] + counts[1:]  # of the bins on both sides of each edge
        few = (counts > 0) & (counts < _FEW * len(values))
        may_go = (few[:-1] | few[1:]) & (counts[:-1] > 0) & (counts[1:] > 0)
        may_go &= sums <= _MANY * len(values)
        if not may_go.any():
            return tuple(edges)
        del edges[int(np.where(may_go, sums, len(values) + 1).argmin())]


def _between(low: float, high: float) -> float:
    """Return the number of fewest digits in the middle half between two others."""
    middle, most = (low + high) / 2, (high - low) / 4
    short = (float(f"{middle:.{digits}g}") for digits in range(1, 17))
    return next((value for value in short if abs(value - middle) <= most), middle)
