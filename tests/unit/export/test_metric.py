"""A metric of the user's own: what it is given, what it may return, and whether it sees errors."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import metric
from strop_export.errors import SourceError
from strop_export.metric import Measured, Metric
from tests.environments import ROOT
from tests.markdown import blocks
from tests.unit.export.outputs import probabilities, spec

CLASS = (spec("class"),)
KERAS = probabilities(200)
LABELS = KERAS.argmax(axis=1)


def accuracy(outputs: Any, labels: Any) -> float:
    return float((outputs.argmax(axis=1) == labels).mean())


def checked(
    function: Callable[[Any, Any], Any], max_loss: float = 0.01, labels: Any = LABELS
) -> Any:
    return Metric("mine", function, max_loss).check(CLASS, [KERAS], [labels])


class TestGiven:
    def test_one_output_is_an_array_and_so_are_its_labels(self) -> None:
        seen: list[Any] = []

        def keep(outputs: Any, labels: Any) -> float:
            seen.extend((outputs, labels))
            return 1

        assert Metric("keep", keep, 0).score(CLASS, [KERAS], [None]) == 1.0
        assert np.array_equal(seen[0], KERAS)
        assert seen[1] is None

    def test_several_have_names(self) -> None:
        specs = (spec("raw", name="boxes"), spec("class", name="what"))

        def both(outputs: Any, labels: Any) -> Any:
            assert list(outputs) == list(labels) == ["boxes", "what"]
            assert labels["boxes"] is None
            return np.float32(accuracy(outputs["what"], labels["what"]))

        assert Metric("both", both, 0).score(specs, [KERAS, KERAS], [None, LABELS]) == 1.0

    def test_it_cannot_change_what_the_proof_compares(self) -> None:
        def change(outputs: Any, labels: Any) -> float:
            outputs[:] = 0
            return 1.0

        with pytest.raises(SourceError, match="metric mine raised ValueError: .*read-only"):
            checked(change)
        assert KERAS.any()


class TestReturned:
    @pytest.mark.parametrize("found", [1, True, np.float32(1), np.int64(1), np.array(1.0)])
    def test_any_finite_number_will_do(self, found: Any) -> None:
        assert Metric("m", lambda *_: found, 0).score(CLASS, [KERAS], [None]) == 1.0

    @pytest.mark.parametrize(
        "found", [None, "1.0", math.nan, math.inf, np.ones(1), [1.0], 1j, 10**400]
    )
    def test_anything_else_is_refused_by_name(self, found: Any) -> None:
        with pytest.raises(
            SourceError, match="^metric mine returned .*; give one that returns a finite number"
        ):
            checked(lambda *_: found)

    def test_a_long_value_is_shortened(self) -> None:
        with pytest.raises(SourceError) as refused:
            checked(lambda *_: "x" * 10_000)
        assert len(str(refused.value)) < 200

    def test_an_error_of_the_function_is_one_line(self) -> None:
        def fails(outputs: Any, labels: Any) -> float:
            raise KeyError("two\nlines")

        with pytest.raises(
            SourceError, match=r"^metric mine raised KeyError: .*; give one that takes"
        ):
            checked(fails)

    def test_missing_labels_are_named(self) -> None:
        with pytest.raises(SourceError, match="^metric mine, given no labels, raised TypeError"):
            checked(lambda outputs, labels: len(labels), labels=None)


def test_the_one_that_the_docs_show_sees_errors() -> None:
    page = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    (code,) = (block.text for block in blocks(page) if "def best_box_iou" in block.text)
    shown: dict[str, Any] = {}
    exec(code, shown)
    boxes = np.random.default_rng(1).uniform(0.2, 0.8, (60, 4)).astype(np.float32)
    answers = np.repeat(np.c_[boxes, np.ones(60)][:, None], 3, axis=1)
    own = Metric("best_box_iou", shown["best_box_iou"], 0.01)
    assert own.check((spec("raw", (3, 5)),), [answers], [boxes]) == pytest.approx(1)


class TestBlindness:
    def test_a_metric_of_the_answers_is_taken(self) -> None:
        assert checked(accuracy) == 1.0

    def test_one_that_ignores_its_outputs_is_refused(self) -> None:
        said = "is 0.9 for Keras's answers and 0.9 for the same answers in another order: with a "
        with pytest.raises(SourceError, match=said):
            checked(lambda *_: 0.9)

    def test_one_that_ignores_which_sample_is_which_is_refused(self) -> None:
        with pytest.raises(SourceError, match="in another order"):
            checked(lambda outputs, _: outputs.max(axis=1).mean())

    def test_a_loss_that_nonsense_keeps_is_refused(self) -> None:
        with pytest.raises(SourceError, match=r"with a loss of 0.9 allowed, it could not fail"):
            checked(accuracy, 0.9)

    def test_a_loss_that_one_answer_for_all_keeps_is_refused(self) -> None:
        """Of 200 samples 184 are of class 0: shuffled answers lose 15 %, and a constant 8 %."""
        keras = np.eye(4, dtype=np.float32)[(np.arange(200) % 25 < 2).astype(int)]
        labels = keras.argmax(axis=1)
        own = Metric("accuracy", accuracy, 0.1)
        shuffled = accuracy(keras[metric._other_order(200)], labels)
        assert 1 - shuffled > 0.1
        with pytest.raises(SourceError, match="and 0.92 for one answer for all samples"):
            own.check(CLASS, [keras], [labels])
        assert Metric("accuracy", accuracy, 0.05).check(CLASS, [keras], [labels]) == 1.0

    def test_one_that_fails_on_nonsense_sees_it(self) -> None:
        def correlation(outputs: Any, labels: Any) -> float:
            assert np.ptp(outputs, axis=0).all()
            return accuracy(outputs, labels)

        assert checked(correlation) == 1.0

    @pytest.mark.parametrize("dtype", [np.int32, np.bool_, np.float32])
    def test_answers_of_every_dtype_have_a_constant(self, dtype: Any) -> None:
        answers = (np.arange(60) % 3).astype(dtype).reshape(20, 3)
        found = metric._constant(answers)
        assert (found.shape, found.dtype) == (answers.shape, answers.dtype)
        assert not np.ptp(found.astype(int), axis=0).any()

    @pytest.mark.parametrize("count", [2, 3, 16, 1000])
    def test_no_sample_stays_in_its_place(self, count: int) -> None:
        order = metric._other_order(count)
        assert np.array_equal(np.sort(order), np.arange(count))
        assert (order != np.arange(count)).all()


class TestLoss:
    @pytest.mark.parametrize(("found", "holds"), [(0.94, True), (0.9399, False), (1.0, True)])
    def test_a_fall_to_the_bound_holds(self, found: float, holds: bool) -> None:
        """0.95 - 0.94 is a little more than 0.01."""
        assert (Measured("m", 0.95, found, 0.01).fault == "") is holds

    def test_its_units_are_its_own(self) -> None:
        """An error is negative, so that higher is better."""
        assert not Measured("minus rmse", -120.0, -125.0, 5.0).fault
        assert Measured("minus rmse", -120.0, -125.1, 5.0).fault == (
            "minus rmse -125.1 against Keras's -120, a loss of at most 5 allowed"
        )

    @pytest.mark.parametrize("loss", [0, np.float32(0.5), np.array(1)])
    def test_a_loss_is_a_plain_number_in_the_report(self, loss: Any) -> None:
        assert json.loads(json.dumps(Metric("m", accuracy, loss).key()))["max_loss"] == loss

    @pytest.mark.parametrize("loss", [-0.1, math.nan, math.inf, "0.1", None])
    def test_a_loss_that_is_no_number_is_refused(self, loss: Any) -> None:
        with pytest.raises(SourceError, match="may lose .*; give a finite number of 0 or more"):
            Metric("m", accuracy, loss)

    @pytest.mark.parametrize(("name", "function"), [("", accuracy), ("a\nb", accuracy), ("m", 3)])
    def test_a_metric_is_a_function_with_a_name(self, name: str, function: Any) -> None:
        with pytest.raises(SourceError, match="is no function with a printable name"):
            Metric(name, function, 0.1)


class TestFile:
    def test_it_is_loaded_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "own_metric.py"
        path.write_text(
            "from dataclasses import dataclass\n\n@dataclass\nclass Both:\n    value: 'float'\n\n"
            "def mine(outputs, labels):\n    return Both(0.5).value\n",
            encoding="utf-8",
        )
        found = metric.load(path, "mine", 0.25)
        assert (found.name, found.max_loss, found.score(CLASS, [KERAS], [None])) == (
            "mine", 0.25, 0.5
        )  # fmt: skip
        assert found.key()["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("def other(a, b): ...\n", "has no function 'mine'; it has other; give --metric "),
            ("mine = 3\n", "has no function 'mine'; it has none"),
            ("import no_such_module\n", "--metric .*fails: ModuleNotFoundError: No module named"),
            ("raise SystemExit(0)\n", "--metric .*fails: SystemExit: 0"),
            ("def mine(:\n", "--metric .*fails: SyntaxError"),
        ],
    )
    def test_one_without_the_function_is_refused(
        self, tmp_path: Path, text: str, said: str
    ) -> None:
        path = tmp_path / "own_metric.py"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SourceError, match=said):
            metric.load(path, "mine", 0.1)

    def test_one_that_is_not_there_or_no_python_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="cannot read the metric's file .*No such file"):
            metric.load(tmp_path / "none.py", "mine", 0.1)
        (tmp_path / "mine.txt").write_bytes(b"")
        with pytest.raises(SourceError, match="is not a Python file"):
            metric.load(tmp_path / "mine.txt", "mine", 0.1)


class TestFreshness:
    def test_a_file_has_a_digest(self, tmp_path: Path) -> None:
        path = tmp_path / "own.py"
        path.write_text("def one(outputs, labels): return 1.0\n", encoding="ascii")
        first = metric.load(path, "one", 0.1)
        assert first.key() == metric.load(path, "one", 0.1).key()
        assert first.key() != metric.load(path, "one", 0.2).key()

    def test_a_function_is_never_fresh(self) -> None:
        own = metric.of(accuracy, 0.1)
        assert (own.name, own.digest) == ("accuracy", "")
        assert own.key() != own.key()

    def test_an_object_is_called_by_its_class(self) -> None:
        class Callable:
            def __call__(self, outputs: Any, labels: Any) -> float:
                return 1.0

        assert metric.of(Callable(), 0.1).name == "Callable"
