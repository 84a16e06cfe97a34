"""One turn of a call: warm it up, then time it several times."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, NamedTuple

from benchmarks.peers import Call


class Pace(NamedTuple):
    """The length of a turn."""

    warm_ms: float  # at least one call
    budget_ms: float  # for the calls that are timed
    least: int  # calls, however slow
    most: int  # calls, however fast


def turn_ns(call: Call, images: Any, pace: Pace) -> list[int]:
    """Time calls in a row.

    The warm-up is for the caches, which hold the previous case's data.

    Args:
        call: the call to time.
        images: its argument, uint8 (batch, ...).
        pace: the length of the turn.

    Returns:
        The duration of each call in nanoseconds; each includes reading the clock once.
    """
    started, warmed, spent = perf_counter_ns(), 0, 0
    while not warmed or spent < pace.warm_ms * 1e6:
        call(images)
        warmed += 1
        spent = perf_counter_ns() - started
    fit = int(pace.budget_ms * 1e6 * warmed / spent)
    ticks = [0] * (min(pace.most, max(pace.least, fit)) + 1)
    ticks[0] = perf_counter_ns()
    for number in range(1, len(ticks)):
        call(images)
        ticks[number] = perf_counter_ns()
    return [after - before for before, after in zip(ticks, ticks[1:])]  # noqa: B905, RUF007
