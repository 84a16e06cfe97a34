"""The time by which a call is sent to a thread, or run at once."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import numpy as np
import pytest

import strop
from strop.serve.repository import Served, shortest_of_late
from tests import bundles


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


def test_a_call_takes_no_less_because_others_have_many_samples(tmp_path: Path) -> None:
    served = Served(strop.load(bundles.image().write(tmp_path / "shapes.strop")))
    one, many = (np.zeros((n, 4, 4), np.uint8) for n in (1, 10_000))
    with pytest.MonkeyPatch.context() as patch:
        moments = itertools.count(0, 10_000_000)  # each call takes 10 ms
        patch.setattr("strop.serve.repository.time.perf_counter_ns", lambda: next(moments))
        for samples in (one, many):
            served.run(served.model, (samples,))
    assert served.expected_s(1) == pytest.approx(10e-3)
    assert served.expected_s(20_000) == pytest.approx(20e-3, rel=0.1)
