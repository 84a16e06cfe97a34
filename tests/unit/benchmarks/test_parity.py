"""A case that runs another model is not timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import parity
from benchmarks.cases import STROP_MODULE, Case
from benchmarks.crew import Crew
from benchmarks.ratios import OWN
from tests.unit.benchmarks.staged import ACTS, ENGINE, case

LABELS = np.arange(10_000) % 10
KERAS = np.eye(10, dtype=np.float32)[LABELS] * np.float32(0.9)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "BATCH", 10)


def refusal(crew: Crew, *cases: Case) -> dict[str, str]:
    rows = parity.check(crew, cases, one_by_one_s=10, step=lambda who: None)
    for row in rows:
        assert row.axis == "accuracy"
    return {row.subject: row.absent for row in rows}


class TestAgainstKeras:
    def test_figures_are_given(self) -> None:
        answers = KERAS.copy()
        answers[:2] = np.roll(KERAS[:2], 1, axis=1)
        verdict = parity.judge(answers, KERAS, LABELS, "int8")
        assert (verdict.accuracy, verdict.disagreements) == (0.9998, 2)
        assert verdict.max_abs_error == pytest.approx(0.9)
        assert not verdict.refusal

    @pytest.mark.parametrize(
        ("precision", "disagreements", "error", "refused"),
        [
            ("float32", 5, 0, True),  # another class is an error of 0.9
            ("float32", 0, 9e-4, False),
            ("float32", 0, 2e-3, True),
            ("float16", 0, 2e-3, False),
            ("float16", 0, 0.03, True),
            ("dynamic", 25, 0, False),
            ("int8", 25, 0.03, False),
            ("int8", 26, 0, True),
        ],
    )
    def test_bounds(self, precision: str, disagreements: int, error: float, refused: bool) -> None:
        answers = KERAS.copy()
        answers[:disagreements] = np.roll(KERAS[:disagreements], 1, axis=1)
        answers[-1] += np.float32(error)
        verdict = parity.judge(answers, KERAS, LABELS, precision)
        assert bool(verdict.refusal) is refused

    def test_a_refusal_says_what_was_found_and_what_may_be(self) -> None:
        verdict = parity.judge(KERAS[::-1].copy(), KERAS, LABELS, "float32")
        assert verdict.refusal == (
            "not the same model: 10000 of 10,000 images get another class than from Keras, largest "
            "error 0.9; float32 may have 5 and 0.001"
        )

    def test_no_number_is_no_answer(self) -> None:
        answers = KERAS.copy()
        answers[0, 3] = np.nan
        assert parity.judge(answers, KERAS, LABELS, "float32").refusal


class TestCrew:
    def test_who_is_refused_is_left_out(self, staged: Crew) -> None:
        said = refusal(staged, case("right"), case("wrong"), case("absent"))
        assert said["right float32"] == ""
        assert said["wrong float32"].startswith("not the same model: ")
        assert said["absent float32"] == "no such machine: buy one"
        assert staged.open(case("wrong"), 1) is None
        assert staged.open(case("right"), 1) is not None

    def test_single_images_are_judged_too(self, staged: Crew) -> None:
        said = refusal(staged, case("wrong_alone"))["wrong_alone float32"]
        assert said.endswith("of 40 images get another class alone than in a batch")

    @pytest.mark.parametrize(("act", "same"), [("right", True), ("off", False)])
    def test_strop_gives_the_raw_loop_s_answers_to_the_bit(
        self, staged: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, same: bool
    ) -> None:
        peers = tmp_path / "benchmarks" / "peers"
        (peers / f"{STROP_MODULE}.py").write_bytes((peers / f"{act}.py").read_bytes())
        assert act in ACTS
        strop = Case(STROP_MODULE, "Strop", "float32", ENGINE, "keras", "peers")
        said = refusal(staged, strop, case("right"))["Strop float32"]
        assert said == (
            "" if same else "not the answers of right float32 to the bit, from the same file"
        )

    @pytest.mark.parametrize(("act", "same"), [("right", True), ("off", False)])
    def test_strop_s_own_engine_gives_the_same_bits_with_all_kernels(
        self, staged: Crew, tmp_path: Path, act: str, same: bool
    ) -> None:
        own = Case(STROP_MODULE, "Strop own", "float32", OWN, "keras", "peers")
        peers = tmp_path / "benchmarks" / "peers"
        code = (peers / f"{act}.py").read_text(encoding="utf-8")
        if not same:  # held to AVX2 alone
            code = code.replace(
                "np.float32(9)", "np.float32(9 if 'ONEDNN_MAX_CPU_ISA' in os.environ else -9)"
            )
        (peers / f"{STROP_MODULE}.py").write_text(code, encoding="utf-8")
        said = refusal(staged, own, replace(own, isa="avx2"))
        assert said["Strop own float32"] == ""
        assert said["Strop own float32 avx2"] == (
            "" if same else "not the answers of Strop own float32 to the bit, from the same file"
        )

    def test_a_dense_case_is_judged_by_its_answers_to_the_test_set(self, staged: Crew) -> None:
        right, wrong = (replace(case(act), is_dense=True) for act in ("right", "wrong"))
        said = refusal(staged, right, wrong)
        assert said["right float32"] == ""
        assert said["wrong float32"].startswith("not the same model: ")
        assert staged.open(wrong, 1) is None
        assert staged.open(right, 1) is not None
