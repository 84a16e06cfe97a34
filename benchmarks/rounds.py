"""The timing of cases in turns, in many short rounds, and the rows of results.

Other work on the machine affects all cases of a round alike, so they are compared within rounds.
Every other round goes backwards, so that no case always comes after the same one. Processes are
restarted a few times (generations): the place of a process in memory changes its times by some
per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Case
from benchmarks.crew import Crew
from benchmarks.results import Row
from benchmarks.turns import Pace

# (case, batch) -> number of the round -> durations of the calls of that turn, in microseconds
Turns = dict[tuple[Case, int], dict[int, NDArray[np.float64]]]

LATENCY_PACE = Pace(warm_ms=4, budget_ms=12, least=3, most=300)
THROUGHPUT_PACE = Pace(warm_ms=4, budget_ms=8, least=1, most=100)


def prepare(crew: Crew, cases: Sequence[Case], batch: int) -> None:
    """Open cases for batches of a size; a case with wrong answers is left out of that size.

    Args:
        crew: opens the cases.
        cases: the cases.
        batch: images per call.
    """
    classes = np.load(crew.files.answers)[:batch].argmax(axis=1)
    for case in cases:
        found = crew.open(case, batch)
        if found is None or case.is_dense:  # random bytes have no class
            continue
        if (wrong := int((classes != found).sum())) > max(1, batch // 100):
            crew.leave_out(case, f"{wrong} of {batch} images get another class in a batch", batch)


def take(
    crew: Crew,
    cases: Sequence[Case],
    batch: int,
    numbers: Iterable[int],
    pace: Pace,
    turns: Turns,
    step: Callable[[str], None],
) -> None:
    """Time rounds, and add them to `turns`.

    Args:
        crew: the crew, with the cases open.
        cases: the cases.
        batch: images per call.
        numbers: the numbers of the rounds; odd rounds go backwards.
        pace: the length of each turn.
        turns: gets the durations, float64 (calls,) in microseconds.
        step: called with a case's name before its turn.
    """
    for number in numbers:
        for case in reversed(cases) if number % 2 else cases:
            step(case.name)
            durations_us = crew.turn(case, batch, pace)
            if durations_us is not None:
                turns.setdefault((case, batch), {})[number] = durations_us


def latency_row(crew: Crew, case: Case, turns: Turns) -> Row:
    """Make the row of one image: percentiles over all calls, and some of them, evenly spread.

    Args:
        crew: has the reason why a case has no figures.
        case: the case.
        turns: all rounds, in microseconds.
    """
    samples_us, figures = _figures(crew, case, 1, turns)
    if samples_us is not None:
        figures |= {"value": figures["p50_us"], "samples_us": _kept(samples_us, 2000)}
    return case.row("latency", **figures)


def throughput_row(crew: Crew, case: Case, batch: int, turns: Turns) -> Row:
    """Make the row of images per second for a batch size, by the median call.

    Args:
        crew: has the reason why a case has no figures.
        case: the case.
        batch: images per call.
        turns: all rounds, in microseconds.
    """
    samples_us, figures = _figures(crew, case, batch, turns)
    if samples_us is not None:
        figures |= {"value": batch / figures["p50_us"] * 1e6, "samples_us": _kept(samples_us, 200)}
    return case.row("throughput", **figures)


def convolutions_row(crew: Crew, case: Case, batch: int, turns: Turns, network: str) -> Row:
    """Make the row of a call of a convolutional network.

    Args:
        crew: has the reason why a case has no figures.
        case: the case.
        batch: samples per call.
        turns: all rounds of this network, in microseconds.
        network: its name in results.
    """
    samples_us, figures = _figures(crew, case, batch, turns)
    if samples_us is not None:
        figures |= {"value": figures["p50_us"], "samples_us": _kept(samples_us, 200)}
    return case.row("convolutions", network=network, **figures)


def _kept(samples_us: NDArray[np.float64], most: int) -> tuple[float, ...]:
    """Keep at most `most` samples, evenly spread: all of them would take megabytes."""
    return tuple(samples_us[:: -(-len(samples_us) // most)].round(2).tolist())


def _figures(
    crew: Crew, case: Case, batch: int, turns: Turns
) -> tuple[NDArray[np.float64] | None, dict[str, Any]]:
    """Return every call of a case in the order of the rounds, and the figures of its row.

    Returns:
        Durations in microseconds, float64 (calls,), or None if there are none; and the fields of a
        `Row`.
    """
    taken = turns.get((case, batch))
    if taken is None:
        return None, {"batch": batch, "absent": crew.absent(case, batch)}
    samples_us = np.concatenate([taken[number] for number in sorted(taken)])
    p50, p95, p99 = (float(value) for value in np.percentile(samples_us, (50, 95, 99)))
    return samples_us, {"batch": batch, "p50_us": p50, "p95_us": p95, "p99_us": p99}
