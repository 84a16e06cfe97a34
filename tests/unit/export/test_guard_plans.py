"""The plans of targets: the real converter's files in the places of int8 files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from strop_export import guard, source, targets
from strop_export.conversion import Converter
from strop_export.errors import EngineTooOld, ProofError
from strop_export.formats import Converted, VariantSpec, trial
from strop_export.planning import Plan, Planned, make_plans
from strop_export.tolerances import tolerances
from tests.needs import strop_native
from tests.unit.export import guard_kit
from tests.unit.export import source_kit as kit

CPU = targets.load("cpu")
INT8, FLOAT = VariantSpec("tflite", "int8"), VariantSpec("tflite", "float32")
PLAN = VariantSpec("plan", "int8", rounding="reference")
ALONE = replace(CPU, variants=(VariantSpec("plan", "int8"), VariantSpec("plan", "float32")))
TARGET = replace(CPU, variants=(PLAN, INT8, FLOAT, VariantSpec("onnx", "int8")))


@pytest.fixture(scope="module")
def sensors(tmp_path_factory: pytest.TempPathFactory) -> source.Source:
    return source.read(guard_kit.sensors(tmp_path_factory.mktemp("sensors")))


@pytest.fixture(scope="module")
def planned(
    sensors: source.Source, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Planned, list[str]]:
    """The plans of `TARGET` and `ALONE`, and the lines of progress."""
    steps: list[str] = []
    bounds = tolerances("mine", max_drop=0.02)
    with Converter(tmp_path_factory.mktemp("converter")) as converter:
        return make_plans(sensors, [TARGET, ALONE], bounds, converter, steps.append), steps


def test_columns_of_very_different_ranges_stay_float_where_it_matters(
    planned: tuple[Planned, list[str]],
) -> None:
    made_of, steps = planned
    plan = made_of.plans[0]
    assert len(plan.guarded) == 2
    for path in plan.guarded:
        assert path.tried[0].fault
        assert path.ranking[0].layer == "normalization"
        assert path.chosen is not None
        assert path.chosen.precision == "mixed"
        assert path.chosen.quantization.float_layers == ("normalization",)
        made = made_of.converted[path.chosen]
        assert isinstance(made, Converted)
        assert made.integer_share is not None
        assert made.integer_share >= 0.5
    chosen = [spec.precision for spec in plan.chosen.variants]
    assert chosen == ["mixed", "mixed", "float32", "mixed"]
    assert plan.held() == dict.fromkeys((s for s in plan.chosen.variants if s != FLOAT), 75)
    replaced = {path.asked for path in plan.guarded}
    assert {spec.precision for spec in made_of.layers} == {"int8", "mixed"}
    assert len(made_of.layers) == 2 * len(replaced)
    assert "tflite int8 misses: trying int8, percentile ranges" in steps


def test_without_held_out_samples_a_target_keeps_its_int8_files(tmp_path: Path) -> None:
    model = kit.chain((4,), kit.dense(8, "relu"), kit.dense(3, "softmax"))
    read = kit.read(tmp_path, model, {"inputs": kit.floats(4)})
    assert read.selection_keras == ()
    work = tmp_path / "work"
    work.mkdir()
    with Converter(work) as converter:
        planned = make_plans(read, [TARGET], tolerances("mine"), converter, print)
    assert planned.plans == [Plan(TARGET, TARGET, ())]


def test_a_plan_is_made_from_the_file_in_the_place_of_int8(
    sensors: source.Source, planned: tuple[Planned, list[str]]
) -> None:
    """Its weights are those of the .tflite file that was chosen, and so are its answers."""
    made_of, _ = planned
    ours, theirs = made_of.plans[0].chosen.variants[:2]
    assert (ours.format, ours.precision, ours.rounding) == ("plan", "mixed", "reference")
    assert ours.source == theirs == made_of.plans[0].guarded[0].chosen
    plan, file = made_of.converted[ours], made_of.converted[theirs]
    assert isinstance(plan, Converted)
    assert isinstance(file, Converted)
    assert (plan.rounding, plan.float_layers) == ("reference", file.float_layers)
    (answers,) = strop_native().Model(plan.data).run((sensors.samples[0],))
    (expected,) = trial.run(file, "tflite", sensors.samples)
    assert np.abs(answers - expected).max() <= 0.05  # LiteRT rounds otherwise


def test_a_target_of_plans_alone_has_the_file_chosen_that_they_are_made_from(
    planned: tuple[Planned, list[str]],
) -> None:
    made_of, _ = planned
    plan = made_of.plans[1]
    assert [path.asked for path in plan.guarded] == [INT8]
    made = [(spec.format, spec.precision, spec.rounding) for spec in plan.chosen.variants]
    assert made == [("plan", "mixed", "float"), ("plan", "float32", "float")]
    assert all(isinstance(made_of.converted[spec], Converted) for spec in plan.chosen.variants)


class TestCheck:
    """A plan is checked before any file runs."""

    def plan(self, chosen: VariantSpec, fault: str = "") -> Plan:
        first = guard.Tried("int8", INT8, fault="9 of 75 samples get another class")
        path = guard.Path(INT8, (first, guard.Tried("last", chosen, fault=fault)), 225, 75)
        return Plan(TARGET, guard.with_chosen(TARGET, [path]), (path,))

    def test_strictly_a_float_file_does_not_do_in_the_place_of_int8(self) -> None:
        plan = self.plan(VariantSpec("tflite", "float16"))
        plan.check({}, strict=False)
        with pytest.raises(ProofError, match="int8 does not hold, nor any .*: 9 of 75 samples"):
            plan.check({}, strict=True)
        self.plan(VariantSpec("tflite", "dynamic")).check({}, strict=True)

    def test_a_place_that_stays_empty_is_named(self) -> None:
        plan = self.plan(FLOAT, fault="max abs error 3")
        assert plan.left_out() == [
            "plan int8: its source, tflite int8, is left out, and no file takes its place",
            "tflite int8: no file holds on 75 held-out calibration samples; the last, last: max "
            "abs error 3",
        ]
        assert plan.held() == {}
        with pytest.raises(ProofError):
            plan.check({}, strict=True)

    def test_a_plan_of_a_precision_that_no_plan_has_is_named_and_is_no_failure(self) -> None:
        plan = self.plan(VariantSpec("tflite", "int16x8"))
        assert [spec.precision for spec in plan.chosen.variants] == ["int16x8", "float32", "int8"]
        assert plan.left_out() == [
            "plan int8: its source, tflite int8, is replaced by int16x8, and there are no "
            "int16x8 plans"
        ]
        plan.check({}, strict=True)

    def test_a_float32_file_in_the_place_of_int8_makes_a_float32_plan(self) -> None:
        plan = self.plan(FLOAT)
        assert plan.chosen.variants[:2] == (VariantSpec("plan", "float32"), FLOAT)
        assert plan.left_out() == []

    def test_a_file_that_the_target_lists_must_run_on_its_engines(self) -> None:
        new = Converted(b"", (), (), {"op_versions": {"CONV_2D": 99}})
        with pytest.raises(EngineTooOld, match="CONV_2D version 99"):
            self.plan(INT8).check({FLOAT: new}, strict=False)
