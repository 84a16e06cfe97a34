"""Timing a call: every sample counted, percentiles in order."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from strop.diagnostics import timing
from strop.diagnostics.timing import measure, sample_us, side_by_side, summarize


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


class Clock:
    """A clock that only calls advance."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 0
        self.called: list[str] = []
        self.factor = 1.0  # the machine's current slowdown
        monkeypatch.setattr(timing, "perf_counter_ns", lambda: self.now_ns)

    def call(self, name: str, us: float) -> Callable[[], None]:
        def call() -> None:
            self.called.append(name)
            self.now_ns += int(us * 1000 * self.factor)

        return call


class TestSideBySide:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        return Clock(monkeypatch)

    def test_at_one_speed_durations_stay_as_they_are(self, clock: Clock) -> None:
        calls = [clock.call(name, us) for name, us in (("a", 20), ("b", 10), ("c", 50))]
        compared = side_by_side(calls, rounds=4, most_samples=7)
        assert [latency.p50_us for latency in compared] == [20, 10, 50]
        assert {latency.samples for latency in compared} == {28}

    def test_turns_change_direction_so_that_none_always_comes_after_the_same(
        self, clock: Clock
    ) -> None:
        side_by_side([clock.call(name, 10) for name in "abc"], rounds=4)
        turns = [b for a, b in zip(["", *clock.called], clock.called, strict=False) if a != b]
        assert "".join(turns) == "cbabcbabc"

    def test_a_machine_that_slows_down_hits_all_alike(self, clock: Clock) -> None:
        def slow_down(line: str) -> None:
            clock.factor *= 1.5

        calls = [clock.call(name, us) for name, us in (("a", 20), ("b", 10))]
        a, b = side_by_side(calls, rounds=5, progress=slow_down)
        assert a.p50_us / b.p50_us == pytest.approx(2.0, rel=1e-3)
        assert (a.p50_us, a.p95_us) == pytest.approx((20 * 1.5**3,) * 2, rel=1e-3)  # round 3 of 5

    @pytest.mark.parametrize("us", [0.05, 3, 1000, 50_000])
    def test_the_budget_holds(self, clock: Clock, us: float) -> None:
        compared = side_by_side([clock.call(name, us) for name in "abcdefgh"], budget_s=4.0)
        round_ns = 8 * 2 * us * 1000  # one may be running
        assert clock.now_ns <= 4.2e9 + round_ns
        assert all(latency.samples >= 3 for latency in compared)

    def test_slow_calls_get_three_rounds_of_one_sample(self, clock: Clock) -> None:
        compared = side_by_side([clock.call(name, 2e6) for name in "ab"], budget_s=1.0)
        assert [latency.samples for latency in compared] == [3, 3]
        assert len(clock.called) == 2 * 3 * 2  # and one warm-up each time

    def test_a_slow_spell_in_which_one_call_fits_less_often_does_not_change_the_ratio(
        self, clock: Clock
    ) -> None:
        """Most samples of a are of the fast round, most of b of the slow ones."""
        speeds = iter([1, 8, 8])

        def change(line: str) -> None:
            clock.factor = next(speeds)

        calls = [clock.call(name, us) for name, us in (("a", 1000), ("b", 20_000))]
        a, b = side_by_side(calls, rounds=3, budget_s=0.18, progress=change)
        assert (a.samples, b.samples) == (22, 3)
        assert b.p50_us / a.p50_us == pytest.approx(20, rel=1e-3)

    def test_a_clock_that_does_not_move_is_no_division_by_zero(self, clock: Clock) -> None:
        durations = timing._turn_us(clock.call("a", 0), 0, most_samples=5)
        assert durations.tolist() == [0.0]

    def test_each_round_is_told(self, clock: Clock) -> None:
        lines: list[str] = []
        side_by_side([clock.call("a", 5)], rounds=2, progress=lines.append)
        assert lines == ["timing, round 1 of 2", "timing, round 2 of 2"]
