"""The judgement of few samples, which select a file: plain counts, and never an unlucky one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strop_export.proof.judge import judge
from strop_export.rules import allowed_of_few
from strop_export.tolerances import tolerances
from tests.unit.export.outputs import OWN, probabilities, spec, swapped

INT8 = OWN["int8"]  # 2 % of the decisions, 1 point of accuracy
CLASS = spec("class")


def faults(of: Any, ours: Any, keras: Any, labels: Any = None, bounds: Any = INT8) -> list[str]:
    return judge(of, ours, keras, labels, bounds, few=True)[1]


@pytest.mark.parametrize(
    ("share", "total", "most"), [(0, 75, 2), (0.02, 75, 2), (0.02, 150, 3), (0.005, 1000, 5)]
)
def test_two_samples_condemn_no_file(share: float, total: int, most: int) -> None:
    assert allowed_of_few(share, total) == most


@pytest.mark.parametrize(("changed", "holds"), [(2, True), (3, False)])
def test_changed_decisions_are_counted(changed: int, holds: bool) -> None:
    keras = probabilities(75)
    found = faults(CLASS, swapped(keras, changed), keras)
    assert found == ([] if holds else [f"{changed} of 75 samples get another class than from "
                                       "Keras, at most 2 allowed"])  # fmt: skip


def test_lost_answers_are_counted_against_those_gained() -> None:
    keras = probabilities(400)
    ours, labels = swapped(keras, 8), keras.argmax(axis=1)
    (fault,) = faults(CLASS, ours, keras, labels)
    assert fault.startswith("accuracy 0.9800 against Keras's 1.0000, a loss of at most 0.0100")
    labels[:4] = ours[:4].argmax(axis=1)  # 4 lost, 4 gained
    assert faults(CLASS, ours, keras, labels) == []


def test_the_figures_have_the_bounds_that_few_samples_are_judged_by() -> None:
    keras = probabilities(75)
    judged, _ = judge(CLASS, keras, keras, None, INT8, few=True)
    assert judged.bounds["disagreements"] == judged.bounds["accuracy_loss"] == 2 / 75
    whole, _ = judge(CLASS, keras, keras, None, INT8)
    assert whole.bounds["disagreements"] == INT8.disagreements


def test_a_drop_of_decisions_says_nothing_about_noise() -> None:
    """The noise of labels without a truth keeps its own bound."""
    tight = tolerances("mine", max_drop=0.005)["int8"]
    for kind, same in (("multilabel", True), ("class", True), ("raw", False)):
        assert (tight.of_output(spec(kind), labelled=False).sqnr_db == INT8.sqnr_db) is same


def test_a_rare_class_that_is_lost_is_found() -> None:
    keras = np.full((600, 4), 0.1, np.float32)
    keras[np.arange(600), np.where(np.arange(600) < 6, 0, 1)] = 0.7
    fault = faults(CLASS, swapped(keras, 6), keras)[0]
    assert fault.startswith("6 of the 6 samples to which Keras gives class 0 get another")


def test_two_lost_classes_are_named_and_the_others_counted() -> None:
    keras = probabilities(400, 6)
    found = [fault for fault in faults(CLASS, swapped(keras, 400), keras) if "gives class" in fault]
    assert len(found) == 2
    assert "so do samples of 4 more" in faults(CLASS, swapped(keras, 400), keras)


def test_integers_are_counted() -> None:
    keras = np.arange(60, dtype=np.int32).reshape(20, 3)
    of, ours = spec("raw", (3,)), keras.copy()
    ours[:2, 0] = 0
    assert faults(of, ours, keras, None) == []
    ours[:3, 1] = 0
    assert faults(of, ours, keras, None) == [
        "4 of 60 values differ from Keras's, at most 2 allowed"
    ]


def test_a_column_that_a_constant_would_do_is_refused() -> None:
    keras = np.random.default_rng(1).normal(size=(50, 2)) * [1000, 1]
    ours = keras * [1, 0]
    of = spec("raw", (2,))
    assert "column 1 is hardly closer" in faults(of, ours, keras)[0]


def test_a_drop_in_points_replaces_the_bounds_of_quantized_files() -> None:
    half = tolerances("mine", max_drop=0.005)
    keras, labels = probabilities(1000), probabilities(1000).argmax(axis=1)
    assert faults(CLASS, swapped(keras, 5), keras, labels, half["int8"]) == []
    assert faults(CLASS, swapped(keras, 6), keras, labels, half["mixed"])[0].startswith("accuracy")
    (fault,) = faults(CLASS, swapped(keras, 6), keras, None, half["dynamic"])
    assert fault.endswith("at most 5 allowed")  # no labels: agreement with Keras
    line = np.linspace(0, 1, 100)[:, None]
    (fault,) = faults(spec("regression", (1,)), line * 1.01, line, None, half["int16x8"])
    assert "at most 0.57% allowed" in fault
    (fault,) = faults(spec("raw", (1,)), line * 1.01, line, None, half["int8"])
    assert "at least 46.0 dB wanted" in fault
    assert half["float16"] == tolerances("mine")["float16"]
