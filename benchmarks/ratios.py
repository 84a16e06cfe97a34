"""Strop over the best raw loop of the same engine, paired by round.

No other package has a loop over Strop's own engine, which is compared with the best peer of all, on
the same images: float32 with the best of float32, int8 with the best of any precision. With kernels
held to AVX2, batches are compared with peers held to AVX2, and one image with the best peer of the
whole CPU.

A ratio is taken within each round, whose turns follow each other directly. The figures are its
median over the rounds, and the 5th and 95th percentile. The best raw loop is the fastest of this
run, also compared within rounds; among equals it is the luckier one, so the comparison errs against
Strop. For the 99th percentile the figure is also the median of each round's ratio: a burst of other
work spoils the tail of the rounds that it hits, and would dominate the tail of all calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Case
from benchmarks.results import PEER, STROP, Ratio
from benchmarks.rounds import Turns

OWN = "native"  # Strop's own engine
JUDGED_BATCHES = (64, 256, 1024)

Values = Mapping[int, float]  # by the number of the round


def latency(turns: Turns) -> list[Ratio]:
    """Return the ratios for one image: the median call of each engine and precision, and its p99.

    Args:
        turns: all rounds, in microseconds.
    """
    medians = {case: _each(turns, case, 1, 50) for case, batch in turns if batch == 1}
    found = []
    for ours, best in _pairs(medians):
        name = _name(ours)
        found.append(
            paired(name, ours.engine, "latency", 1, medians[ours], medians[best], best.name)
        )
        ours_us, best_us = _each(turns, ours, 1, 99), _each(turns, best, 1, 99)
        found.append(paired(f"{name} p99", ours.engine, "latency", 1, ours_us, best_us, best.name))
    by_name = {case.name: case for case in medians}
    small, wide = by_name.get("Strop onnx int8"), by_name.get("Strop onnx float32")
    if small and wide:
        found.append(
            paired(
                "onnx int8 over float32",
                "onnx",
                "latency",
                1,
                medians[small],
                medians[wide],
                wide.name,
            )
        )
    return found


def throughput(turns: Turns, batch: int) -> list[Ratio]:
    """Return the ratios of images per second for a batch size; differences are in us per image.

    Args:
        turns: all rounds, in microseconds.
        batch: the size.
    """
    medians = {case: _each(turns, case, size, 50) for case, size in turns if size == batch}
    pairs = [(_name(ours), ours, best) for ours, best in _pairs(medians, held_alike=True)]
    if usual := [(ours, best) for _, ours, best in pairs if ours.is_usual]:
        rank = _ranking(medians)
        ours = min((ours for ours, _ in usual), key=rank.__getitem__)
        best = min((best for _, best in usual), key=rank.__getitem__)
        pairs.append(("best engine", ours, best))
    found = []
    for name, ours, best in pairs:
        a_us, b_us = (
            {number: value / batch for number, value in medians[case].items()}
            for case in (ours, best)
        )
        found.append(
            paired(name, ours.engine, "throughput", batch, a_us, b_us, best.name, rate=True)
        )
    return found


def convolutions(turns: Turns, network: str) -> list[Ratio]:
    """Return the ratios of the median call of a convolutional network, by batch.

    Args:
        turns: all rounds of this network, in microseconds.
        network: its name in results.
    """
    found = []
    for size in dict.fromkeys(batch for _, batch in turns):
        medians = {case: _each(turns, case, size, 50) for case, batch in turns if batch == size}
        for ours, best in _pairs(medians, held_alike=size > 1):
            ratio = paired(
                _name(ours),
                ours.engine,
                "convolutions",
                size,
                medians[ours],
                medians[best],
                best.name,
            )
            found.append(replace(ratio, network=network))
    return found


def repeats(axis: str, values: Mapping[Case, Values]) -> list[Ratio]:
    """Return the ratios of cold starts (ms) or memory (MiB) of single processes, by repeat.

    Args:
        axis: "cold_start" or "memory".
        values: case -> number of the repeat -> figure.
    """
    return [
        paired(ours.engine, ours.engine, axis, None, values[ours], values[best], best.name)
        for ours, best in _pairs(values)
        if ours.engine != OWN  # what counts of its start is absolute
    ]


def _name(ours: Case) -> str:
    """Name a ratio after a case of Strop, such as "native int8 dense"."""
    return ours.name.removeprefix("Strop ")


def _pairs(
    values: Mapping[Case, Values], *, held_alike: bool = False
) -> Iterable[tuple[Case, Case]]:
    """Pair each case of Strop with its best rival, if it has any.

    Args:
        values: the figures of all cases.
        held_alike: rivals are held to the same instructions; else they may use all.
    """
    for ours in values:
        if ours.kind == STROP:
            isa = ours.isa if held_alike else ""
            raw = [case for case in values if _are_rivals(ours, case) and case.isa == isa]
            if raw:
                rank = _ranking({case: values[case] for case in (ours, *raw)})
                yield ours, min(raw, key=rank.__getitem__)


def _are_rivals(ours: Case, other: Case) -> bool:
    if other.kind != PEER or other.is_dense != ours.is_dense:
        return False
    if ours.engine == OWN:
        return ours.precision == "int8" or other.precision == ours.precision
    return (other.engine, other.precision) == (ours.engine, ours.precision)


def _each(turns: Turns, case: Case, batch: int, percentile: float) -> dict[int, float]:
    return {
        number: float(np.percentile(durations_us, percentile))
        for number, durations_us in turns[case, batch].items()
    }


def _ranking(values: Mapping[Case, Values]) -> dict[Case, float]:
    """Rank cases by the median, over the rounds, of their value over the round's median.

    Less is better. A case's plain median would depend on the number of its turns in a slow period
    of the machine.
    """
    numbers = {number for taken in values.values() for number in taken}
    usual = {
        number: np.median([taken[number] for taken in values.values() if number in taken])
        for number in numbers
    }
    return {
        case: float(np.median([value / usual[number] for number, value in taken.items()]))
        for case, taken in values.items()
    }


def paired(
    name: str,
    engine: str,
    axis: str,
    batch: int | None,
    ours: Values,
    theirs: Values,
    against: str,
    *,
    rate: bool = False,
) -> Ratio:
    """Make the ratio of times or sizes, paired by round, where less is better.

    Args:
        name: the ratio's name.
        engine: the ratio's engine.
        axis: the ratio's axis.
        batch: the ratio's batch size.
        ours: Strop's figures, by the number of the round.
        theirs: the raw loop's figures, by the number of the round.
        against: the raw loop's name.
        rate: use the inverses.
    """
    both = sorted(ours.keys() & theirs.keys())
    a, b = (np.array([values[number] for number in both]) for values in (ours, theirs))
    ratios: NDArray[np.float64] = b / a if rate else a / b
    median, low, high = (float(value) for value in np.percentile(ratios, (50, 5, 95)))
    difference = float(np.median(a - b))
    return Ratio(name, engine, axis, batch, median, low, high, difference, against)
