"""Pauses between polls."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from strop.fleet.agent.backoff import LONGEST_S, SPREAD, Backoff


def even(low: float, high: float) -> float:
    return (low + high) / 2


def test_failures_double_the_pause_up_to_an_hour_and_success_resets_it() -> None:
    backoff = Backoff(300, even)
    failed = [backoff.next_s(failed=True) for _ in range(6)]
    assert failed == [300, 600, 1200, 2400, 3600, 3600]
    assert [backoff.next_s(failed=False), backoff.next_s(failed=True)] == [300, 300]


def test_polls_that_are_hours_apart_stay_so() -> None:
    backoff = Backoff(7200, even)
    assert [backoff.next_s(failed=True) for _ in range(3)] == [7200] * 3


@given(st.floats(1, 86400), st.lists(st.booleans(), max_size=40), st.integers())
def test_every_pause_is_within_a_fifth(poll_s: float, failures: list[bool], seed: int) -> None:
    backoff = Backoff(poll_s, random.Random(seed).uniform)
    for failed in failures:
        pause_s = backoff.next_s(failed=failed)
        assert (1 - SPREAD) * poll_s <= pause_s <= (1 + SPREAD) * max(poll_s, LONGEST_S)


def test_devices_that_start_together_spread() -> None:
    pauses_s = [Backoff(300).next_s(failed=False) for _ in range(1000)]
    assert 240 <= min(pauses_s) < 250
    assert 350 < max(pauses_s) <= 360
