"""Timing a call on this device: warm-up, then every sample kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Latency(NamedTuple):
    """Percentiles of a call's duration in microseconds, over `samples` calls."""

    p50_us: float
    p95_us: float
    p99_us: float
    samples: int


def sample_us(call: Callable[[], object], *, samples: int, warmup: int) -> NDArray[np.float64]:
    """Time a call: first `warmup` times without a record, then `samples` times.

    Args:
        call: what to time.
        samples: durations to record, 1 or more.
        warmup: calls before them.

    Returns:
        float64 (samples,), durations in microseconds.
    """
    for _ in range(warmup):
        call()
    ticks = np.empty(samples + 1, np.int64)
    ticks[0] = perf_counter_ns()
    for i in range(1, samples + 1):
        call()
        ticks[i] = perf_counter_ns()
    return np.diff(ticks) / 1000


def summarize(durations_us: NDArray[np.float64]) -> Latency:
    """Compute the median and the tail of durations.

    Args:
        durations_us: float64 (samples,), in microseconds.
    """
    p50, p95, p99 = np.percentile(durations_us, (50, 95, 99))
    return Latency(float(p50), float(p95), float(p99), len(durations_us))


def measure(call: Callable[[], object], *, samples: int = 500, warmup: int = 50) -> Latency:
    """Time a call and summarize it.

    Args:
        call: what to time.
        samples: durations to record, 1 or more.
        warmup: calls before them, which are not recorded.
    """
    return summarize(sample_us(call, samples=samples, warmup=warmup))


def side_by_side(
    calls: Sequence[Callable[[], object]],
    *,
    budget_s: float = 4.0,
    rounds: int = 40,
    most_samples: int = 100,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Latency]:
    """Time calls against each other, in many short rounds.

    A slow spell of the machine hits all calls of a round alike. So each duration is divided by the
    median of its round, over all calls, and multiplied by the median of these medians: the results
    are those of a machine at one speed, and their ratios are steady. A third of each call's turn is
    warm-up: for the caches, for the clock rate, and for the threads of the call before, which spin
    for a while. Every other round goes backwards, so that no call always comes after the same one.

    Args:
        calls: what to time.
        budget_s: seconds for the whole; slow calls take longer, but only three rounds of one sample
            each.
        rounds: how many at most; they share the budget.
        most_samples: of one call in a round; fast calls end long before the budget does.
        progress: called with a line before each round.

    Returns:
        One result a call, in their order.
    """
    started_ns = perf_counter_ns()
    turn_ns = budget_s * 1e9 / (rounds * len(calls))
    taken_us: list[list[NDArray[np.float64]]] = [[] for _ in calls]
    for number in range(rounds):
        if number >= 3 and perf_counter_ns() - started_ns > budget_s * 1e9:
            break
        progress(f"timing, round {number + 1} of {rounds}")
        order = range(len(calls)) if number % 2 else reversed(range(len(calls)))
        for i in order:
            taken_us[i].append(_turn_us(calls[i], turn_ns, most_samples))
    medians_us = np.array([[np.median(turn) for turn in turns] for turns in taken_us])
    round_us = np.median(medians_us, axis=0)  # (rounds,)
    factors = np.median(round_us) / round_us
    even_us = [[turn * f for turn, f in zip(turns, factors, strict=True)] for turns in taken_us]
    return [summarize(np.concatenate(turns)) for turns in even_us]


def _turn_us(call: Callable[[], object], turn_ns: float, most_samples: int) -> NDArray[np.float64]:
    """Run one turn of a call: as many durations as fit after the warm-up, at least one.

    Returns:
        float64 (samples,), in microseconds.
    """
    started_ns, spent_ns, warmed = perf_counter_ns(), 0, 0
    while not warmed or spent_ns < turn_ns / 3:
        call()
        warmed += 1
        spent_ns = perf_counter_ns() - started_ns
    fit = (turn_ns - spent_ns) * warmed / max(spent_ns, 1)
    return sample_us(call, samples=int(min(max(fit, 1), most_samples)), warmup=0)
