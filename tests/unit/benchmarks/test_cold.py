"""Cold starts: new processes, alternating, with more starts of judged cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import cold
from benchmarks.cases import judged
from benchmarks.crew import Crew
from tests.unit.benchmarks.staged import case

RACED = case("right")
STRANGER = replace(case("talkative"), engine="")
ROUNDS, MORE = 2, 2


def test_those_whose_ratio_is_judged_start_more_often_in_the_same_rounds(staged: Crew) -> None:
    turns: list[str] = []
    starts = cold.take(staged, [RACED, STRANGER], ROUNDS, MORE, turns.append)
    assert judged([RACED, STRANGER]) == [RACED]
    assert sorted(starts[RACED]) == list(range(ROUNDS * (1 + MORE)))
    assert sorted(starts[STRANGER]) == [0, 1 + MORE]
    assert Counter(turns) == {
        RACED.name: (ROUNDS + 1) * (1 + MORE),
        STRANGER.name: ROUNDS + 1,
    }
    assert turns.index(STRANGER.name) < len(turns) - turns[::-1].index(STRANGER.name) - 1
    for taken in starts.values():
        for start in taken.values():
            assert start.total_ms == pytest.approx(sum(start.parts_ms))
            assert min(start.parts_ms) > 0
            assert 5 < start.memory_mib < 500
            assert 0 <= start.over_numpy_mib < start.memory_mib


def test_a_row_has_the_median_of_its_starts_and_their_parts(staged: Crew) -> None:
    starts = cold.take(staged, [RACED], ROUNDS, 0, lambda who: None)
    start, memory = cold.rows(staged, [RACED], starts)
    totals_ms = [one.total_ms for one in starts[RACED].values()]
    assert (start.axis, memory.axis) == ("cold_start", "memory")
    over_mib = [one.over_numpy_mib for one in starts[RACED].values()]
    assert memory.parts == {"over numpy": pytest.approx(np.median(over_mib))}
    assert start.value == pytest.approx(np.median(totals_ms))
    assert list(start.parts) == ["interpreter", "numpy", "open", "first answer"]
    assert len(start.samples_us) == ROUNDS


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("wrong_alone", "it gives another class for the first image in a new process"),
        ("failing", "a new process fails: OverflowError: too much"),
    ],
)
def test_one_that_fails_in_a_new_process_says_so(staged: Crew, act: str, why: str) -> None:
    starts = cold.take(staged, [case(act)], ROUNDS, MORE, lambda who: None)
    assert starts == {}
    for row in cold.rows(staged, [case(act)], starts):
        assert row.absent == why
