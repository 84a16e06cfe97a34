"""The time by which a call is sent to a thread, or run at once."""

from __future__ import annotations

import math
import random

from strop.serve.repository import shortest_of_late


def _after(calls_s: list[float]) -> float:
    known_s = math.inf
    for call_s in calls_s:
        known_s = shortest_of_late(known_s, call_s)
    return known_s


def test_calls_that_wait_for_a_core_count_for_little() -> None:
    choose = random.Random(1)
    calls_s = [20e-6 if choose.random() < 0.3 else 10e-3 for _ in range(1000)]
    assert _after(calls_s) < 100e-6


def test_a_model_that_became_slow_is_noticed() -> None:
    assert _after([20e-6] * 100 + [10e-3] * 300) == 10e-3
