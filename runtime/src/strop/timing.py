"""Timing a call on this device: warm-up, then every sample kept."""

from __future__ import annotations

from collections.abc import Callable
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
    """Time a call: `warmup` times unseen, then (samples,) durations in microseconds."""
    for _ in range(warmup):
        call()
    ticks = np.empty(samples + 1, np.int64)
    ticks[0] = perf_counter_ns()
    for i in range(1, samples + 1):
        call()
        ticks[i] = perf_counter_ns()
    return np.diff(ticks) / 1000


def summarize(durations_us: NDArray[np.float64]) -> Latency:
    """Median and tail of durations (samples,) in microseconds."""
    p50, p95, p99 = np.percentile(durations_us, (50, 95, 99))
    return Latency(float(p50), float(p95), float(p99), len(durations_us))


def measure(call: Callable[[], object], *, samples: int = 500, warmup: int = 50) -> Latency:
    """Time a call and summarize it."""
    return summarize(sample_us(call, samples=samples, warmup=warmup))
