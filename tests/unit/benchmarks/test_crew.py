"""Workers: a case that fails, dies or hangs is left out with the reason, and the others go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import crew as crew_module
from benchmarks import rounds
from benchmarks.crew import Crew
from benchmarks.environments import Environments
from benchmarks.rounds import Turns
from benchmarks.turns import Pace
from tests.unit.benchmarks.staged import IMAGES, case

SHORT = Pace(warm_ms=0.1, budget_ms=1, least=2, most=5)


class TestOneCase:
    def test_it_answers_and_is_timed(self, staged: Crew) -> None:
        answers = staged.answer(case("right"), 8, 60)
        assert answers is not None
        np.testing.assert_array_equal(answers, np.load(staged.files.answers))
        durations_us = staged.turn(case("right"), 8, SHORT)
        assert durations_us is not None
        assert 2 <= len(durations_us) <= 5
        assert (durations_us > 0).all()

    def test_it_answers_as_many_as_the_time_allows(self, staged: Crew) -> None:
        answers = staged.answer(case("right"), 8, 0)
        assert answers is not None
        assert len(answers) == 8

    def test_what_it_prints_is_no_answer(self, staged: Crew, tmp_path: Path) -> None:
        assert staged.open(case("talkative"), 1) is not None
        log = (tmp_path / "cache" / "log" / "stage.txt").read_text(encoding="utf-8")
        assert "on stdout" in log
        assert "and past it" in log

    @pytest.mark.parametrize(
        ("act", "why"),
        [
            ("absent", "no such machine: buy one"),
            ("uninstalled", "there is no package a_package_of_no_one in its environment"),
            ("failing", "it fails: OverflowError: too much"),
            ("double", "it fails: ValueError: it answers 1 images with float64 (1, 10)"),
            ("dying", "its process died (SIGILL): last words"),
        ],
    )
    def test_one_that_cannot_is_left_out(self, staged: Crew, act: str, why: str) -> None:
        assert staged.open(case(act), 1) is None
        assert staged.absent(case(act), 1) == why

    def test_one_that_hangs_is_ended(self, staged: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crew_module, "_WORK_S", 2.0)
        assert staged.open(case("hanging"), 1) is None
        assert staged.absent(case("hanging"), 1) == "it took over 2 s and was ended"

    def test_an_environment_that_is_not_there_is_a_reason(self, staged: Crew) -> None:
        places = Environments({"peers": "no folder: make one"}, Path(), Path())
        with Crew(places, staged.files) as lonely:
            assert lonely.open(case("right"), 1) is None
            assert lonely.absent(case("right"), 1) == "no folder: make one"


class TestOtherWays:
    def test_a_dense_case_runs_the_dense_images(self, staged: Crew) -> None:
        answers = staged.answer(replace(case("right"), is_dense=True), 8, 60)
        assert answers is not None
        np.testing.assert_array_equal(answers, np.load(staged.files.answers)[::-1])

    def test_the_classes_of_dense_images_are_not_judged(self, staged: Crew) -> None:
        dense = replace(case("right"), is_dense=True)
        rounds.prepare(staged, [dense], IMAGES)
        assert not staged.absent(dense, IMAGES)

    def test_a_case_held_to_avx2_has_a_process_of_its_own(self, staged: Crew) -> None:
        held = replace(case("held"), isa="avx2")
        assert staged.open(held, 1) is not None
        assert staged.open(case("held"), 1) is None
        assert staged.absent(case("held"), 1).startswith("it fails: KeyError")


class TestManyCases:
    def test_the_others_of_a_process_that_died_are_opened_again(self, staged: Crew) -> None:
        right, dying = case("right"), case("dying_later")
        assert staged.open(right, 1) is not None
        assert staged.open(dying, 1) is not None
        assert staged.open(dying, 7) is None
        assert staged.absent(dying, 7) == "its process died (exit status 3): it said nothing"
        for alive in (right, dying):  # the latter with another batch
            assert not staged.absent(alive, 1)
            assert staged.turn(alive, 1, SHORT) is not None

    def test_one_that_is_left_out_at_all_is_at_every_batch(self, staged: Crew) -> None:
        staged.leave_out(case("right"), "not the same model")
        assert staged.absent(case("right"), 64) == "not the same model"
        assert staged.open(case("right"), 64) is None

    def test_none_is_left_running(self, staged: Crew) -> None:
        staged.open(case("right"), 1)
        (worker,) = staged._workers.values()
        pid = worker._process.pid
        staged.end()
        assert not Path(f"/proc/{pid}").exists()
        assert staged.open(case("right"), 1) is not None  # and a new one is started if needed


class TestRounds:
    def test_turns_are_kept_by_round(self, staged: Crew) -> None:
        chosen, turns, said = [case("right"), case("talkative")], Turns(), list[str]()
        rounds.take(staged, chosen, 8, range(4, 7), SHORT, turns, said.append)
        assert {(who.loop, batch): list(taken) for (who, batch), taken in turns.items()} == {
            ("right", 8): [4, 5, 6],
            ("talkative", 8): [4, 5, 6],
        }
        first, second = (who.name for who in chosen)
        assert said == [first, second, second, first, first, second]
        row = rounds.throughput_row(staged, chosen[0], 8, turns)
        assert row.p50_us is not None
        assert row.value == pytest.approx(8e6 / row.p50_us)

    def test_another_class_in_a_batch_is_not_timed(self, staged: Crew) -> None:
        turns = Turns()
        rounds.prepare(staged, [case("wrong")], IMAGES)
        rounds.take(staged, [case("wrong")], IMAGES, range(2), SHORT, turns, print)
        row = rounds.throughput_row(staged, case("wrong"), IMAGES, turns)
        assert not turns
        assert row.value is None
        assert row.absent.endswith("of 40 images get another class in a batch")
