"""Timing a call: every sample counted, percentiles in order."""

from __future__ import annotations

import time

import numpy as np
import pytest

from strop import timing
from strop.timing import measure, sample_us, summarize


def test_each_call_is_one_sample_and_warm_up_is_none() -> None:
    calls = []
    latency = measure(lambda: calls.append(1), samples=20, warmup=3)
    assert (latency.samples, len(calls)) == (20, 23)


@pytest.mark.parametrize("samples", [1, 2, 100])
def test_durations_are_one_a_call_and_never_negative(samples: int) -> None:
    durations = sample_us(lambda: None, samples=samples, warmup=0)
    assert durations.shape == (samples,)
    assert (durations >= 0).all()


def test_durations_are_those_of_the_clock_in_microseconds() -> None:
    durations = sample_us(lambda: time.sleep(0.002), samples=3, warmup=0)
    assert durations.min() >= 2000


def test_warm_up_is_not_in_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns, lengths_ns = 0, [70_000, 50_000, 1_000, 2_500]

    def call() -> None:
        nonlocal now_ns
        now_ns += lengths_ns.pop(0)

    monkeypatch.setattr(timing, "perf_counter_ns", lambda: now_ns)
    assert sample_us(call, samples=2, warmup=2).tolist() == [1.0, 2.5]
    assert lengths_ns == []


def test_percentiles_are_those_of_the_samples() -> None:
    latency = summarize(np.random.default_rng(0).permutation(101).astype(np.float64))
    assert latency == (50.0, 95.0, 99.0, 101)


def test_percentiles_are_ordered() -> None:
    latency = measure(lambda: sum(range(50)), samples=200)
    assert 0 < latency.p50_us <= latency.p95_us <= latency.p99_us
