"""The guard takes the first step that holds by a metric of the user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import guard, guarded, metric, source, targets
from strop_export.conversion import Converter
from strop_export.errors import ProofError
from strop_export.finishing import Refused
from strop_export.formats import Converted, VariantSpec
from strop_export.metric import Metric
from strop_export.planning import make_plans
from strop_export.tolerances import tolerances
from tests.unit.export import detector_kit
from tests.unit.export import source_kit as kit
from tests.unit.export.outputs import probabilities, spec, swapped, truth

INT8 = VariantSpec("tflite", "int8")
CPU = replace(targets.load("cpu"), variants=(INT8,))
BY_METRIC = tolerances("mine", by_metric=True)
KERAS = probabilities(200)
LABELS = KERAS.argmax(axis=1)


def accuracy(outputs: Any, labels: Any) -> float:
    return float((outputs.argmax(axis=1) == labels).mean())


class Maker:
    """Files that give some samples another class, by their precision."""

    def __init__(self, **wrong: int) -> None:
        self.wrong = wrong

    def convert(self, spec: VariantSpec) -> Converted:
        return Converted(b"", (), (), {}, (), 1.0)

    def answers(self, spec: VariantSpec) -> tuple[Any, ...]:
        return (swapped(KERAS, self.wrong.get(spec.precision, 0)),)

    def ranking(self, spec: VariantSpec) -> tuple[()]:
        return ()


def path(own: Metric, held_out: int = 200, **wrong: int) -> guard.Path:
    known = replace(truth(spec("class"), KERAS, LABELS), metric=own)
    trials = guard.Trials(Maker(**wrong), known, BY_METRIC, guard.Sizes(150, held_out))
    return guard.find_path(CPU, INT8, trials, print)


def entry(found: guard.Path) -> guarded.Entry:
    of = (spec("class"),)
    refused = Refused(CPU, "m.strop", ProofError("none holds"), outputs=of, guarded=(found,))
    (made,) = guarded.entries([refused])
    return made


def test_clean_boxes_do_not_hold_if_the_metric_falls(tmp_path: Path) -> None:
    read = source.read(detector_kit.detector(tmp_path, 5))
    own = metric.load(tmp_path / "my_map.py", "mean_iou", 0.002)
    assert not metric.check(own, read).note
    work = tmp_path / "work"
    work.mkdir()
    with Converter(work) as converter:
        (plan,) = make_plans(read, [CPU], BY_METRIC, converter, print, own).plans
    (found,) = plan.guarded
    assert found.tried[0].outputs[0].figures["sqnr_db"] > 20  # the bound without a metric
    assert found.tried[0].fault.startswith("mean_iou 0.")
    assert found.chosen is not None
    assert found.chosen.quantization.equalized
    assert found.tried[-1].measured is not None
    assert found.tried[-1].samples == 1000


def test_the_metric_replaces_the_bounds_of_quantized_files() -> None:
    found = path(Metric("accuracy", accuracy, 0.3), int8=50)
    assert found.chosen == INT8
    found = path(Metric("accuracy", accuracy, 0.2), int8=50)
    assert found.tried[0].fault == (
        "accuracy 0.75 against Keras's 1, a loss of at most 0.2 allowed"
    )
    assert found.chosen is not None


def test_a_float_file_keeps_its_own_bounds_too() -> None:
    lost = {"int8": 150, "mixed": 150, "int16x8": 150, "dynamic": 150}
    found = path(Metric("accuracy", accuracy, 0.3), **lost, float16=20)
    half, single = found.tried[-2:]
    assert (half.name, single.name) == ("float16", "float32")
    assert half.fault.startswith("20 of 200 samples get another class")
    assert half.measured is not None
    assert not half.measured.fault


def test_a_metric_that_falls_on_calibrating_samples_condemns_a_file() -> None:
    """The first 100 samples are held out; the file is wrong on the others."""

    class Late(Maker):
        def answers(self, spec: VariantSpec) -> tuple[Any, ...]:
            return tuple(array[::-1] for array in super().answers(spec))

    backwards = replace(
        truth(spec("class"), KERAS[::-1], LABELS[::-1]), metric=Metric("accuracy", accuracy, 0.2)
    )
    trials = guard.Trials(Late(int8=50), backwards, BY_METRIC, guard.Sizes(150, 100))
    first = guard.find_path(CPU, INT8, trials, print).tried[0]
    assert (first.samples, first.measured and first.measured.found) == (200, 0.75)
    assert first.fault


@pytest.mark.parametrize("broken", [float("nan"), None])
def test_a_metric_that_fails_on_a_file_fails_the_step(broken: Any) -> None:
    def picky(outputs: Any, labels: Any) -> Any:
        found = accuracy(outputs, labels)
        return found if found == 1 else broken

    first = path(Metric("picky", picky, 0.5), int8=50).tried[0]
    assert first.measured is None
    assert first.fault.startswith(f"metric picky returned {broken}")


def test_an_output_that_is_not_finite_is_not_measured() -> None:
    class Broken(Maker):
        def answers(self, spec: VariantSpec) -> tuple[Any, ...]:
            return (np.full_like(KERAS, np.nan),)

    def strict(outputs: Any, labels: Any) -> float:
        assert np.isfinite(outputs).all()
        return accuracy(outputs, labels)

    known = replace(truth(spec("class"), KERAS, LABELS), metric=Metric("strict", strict, 0.5))
    trials = guard.Trials(Broken(), known, BY_METRIC, guard.Sizes(150, 200))
    found = guard.find_path(CPU, INT8, trials, print)
    assert {tried.fault for tried in found.tried} == {"gives NaN or infinity"}
    assert found.chosen is None


def test_the_report_has_its_figures_and_says_what_it_chose() -> None:
    made = entry(path(Metric("my *accuracy*", accuracy, 0.2), int8=50))
    assert made["steps"][0]["metric"] == {
        "name": "my *accuracy*", "keras": 1.0, "found": 0.75, "max_loss": 0.2
    }  # fmt: skip
    columns, rows = guarded.table(made)
    assert [column.title for column in columns][-2:] == ["my *accuracy*", ""]
    assert rows[0][-2:] == ["0.7500", "misses"]
    assert "int8 did not hold (my *accuracy* 0.75, Keras 1): " in guarded.note(made)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> source.Source:
    """Calibration samples without labels; those of the evaluation are Keras's answers."""
    folder = tmp_path_factory.mktemp("unlabelled")
    model = kit.chain((4,), kit.dense(8, "relu"), kit.dense(3, "softmax"))
    rows = np.random.default_rng(2).normal(size=(300, 4)).astype(np.float32)
    labels = np.asarray(model(rows)).argmax(axis=1)
    return kit.read(
        folder,
        model,
        {"inputs": rows[:150]},
        {"inputs": rows[150:], "labels": labels[150:]},
    )


def test_a_metric_that_needs_labels_selects_nothing_and_says_so(unlabelled: source.Source) -> None:
    def needs(outputs: Any, labels: Any) -> float:
        return float((outputs.argmax(axis=1) == labels.astype(int)).mean())

    checked = metric.check(Metric("needs", needs, 0.01), unlabelled)
    assert checked.keras == 1
    assert checked.note.startswith(
        "metric needs selects no file, the bounds of each output's kind do: on the held-out "
        "calibration samples, metric needs, given no labels, raised AttributeError: "
    )
    assert checked.note.endswith("; put labels beside the calibration samples")


def test_a_metric_that_is_blind_without_labels_says_so_too(unlabelled: source.Source) -> None:
    def tolerant(outputs: Any, labels: Any) -> float:
        return 1.0 if labels is None else accuracy(outputs, labels)

    checked = metric.check(Metric("tolerant", tolerant, 0.01), unlabelled)
    assert "metric tolerant is 1 for Keras's answers and 1 for the same answers in another " in (
        checked.note
    )


def test_the_bounds_of_each_kind_select_then(unlabelled: source.Source, tmp_path: Path) -> None:
    with Converter(tmp_path) as converter:
        (plan,) = make_plans(unlabelled, [CPU], BY_METRIC, converter, print).plans
    (tried, *_) = plan.guarded[0].tried
    assert tried.measured is None
    assert tried.outputs[0].bounds["disagreements"] < 1
