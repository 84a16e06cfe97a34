"""The plans of targets: the real converter's files in the places of int8 files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from strop_export import guard, source, targets
from strop_export.errors import EngineTooOld, ProofError
from strop_export.formats import Converted, VariantSpec
from strop_export.planning import Plan, make_plans
from strop_export.tolerances import tolerances
from tests.unit.export import guard_kit
from tests.unit.export import source_kit as kit

CPU = targets.load("cpu")
INT8, FLOAT = VariantSpec("tflite", "int8"), VariantSpec("tflite", "float32")
TARGET = replace(CPU, variants=(INT8, FLOAT, VariantSpec("onnx", "int8")))


@pytest.fixture(scope="module")
def sensors(tmp_path_factory: pytest.TempPathFactory) -> source.Source:
    return source.read(guard_kit.sensors(tmp_path_factory.mktemp("sensors")))


def test_columns_of_very_different_ranges_stay_float_where_it_matters(
    sensors: source.Source, tmp_path: Path
) -> None:
    steps: list[str] = []
    bounds = tolerances("mine", max_drop=0.02)
    planned = make_plans(sensors, [TARGET], bounds, tmp_path, steps.append)
    (plan,) = planned.plans
    assert len(plan.guarded) == 2
    for path in plan.guarded:
        assert path.tried[0].fault
        assert path.ranking[0].layer == "normalization"
        assert path.chosen is not None
        assert path.chosen.precision == "mixed"
        assert path.chosen.quantization.float_layers == ("normalization",)
        made = planned.converted[path.chosen]
        assert isinstance(made, Converted)
        assert made.integer_share is not None
        assert made.integer_share >= 0.5
    chosen = [spec.precision for spec in plan.chosen.variants]
    assert chosen == ["mixed", "float32", "mixed"]
    assert plan.held() == {path.chosen: 75 for path in plan.guarded}
    replaced = {path.asked for path in plan.guarded}
    assert {spec.precision for spec in planned.layers} == {"int8", "mixed"}
    assert len(planned.layers) == 2 * len(replaced)
    assert "tflite int8 misses: trying int8, percentile ranges" in steps


def test_without_held_out_samples_a_target_keeps_its_int8_files(tmp_path: Path) -> None:
    model = kit.chain((4,), kit.dense(8, "relu"), kit.dense(3, "softmax"))
    read = kit.read(tmp_path, model, {"inputs": kit.floats(4)})
    assert read.selection_keras == ()
    work = tmp_path / "work"
    work.mkdir()
    planned = make_plans(read, [TARGET], tolerances("mine"), work, print)
    assert planned.plans == [Plan(TARGET, TARGET, ())]


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
            "tflite int8: no file holds on 75 held-out calibration samples; the last, last: max "
            "abs error 3"
        ]
        assert plan.held() == {}
        with pytest.raises(ProofError):
            plan.check({}, strict=True)

    def test_a_file_that_the_target_lists_must_run_on_its_engines(self) -> None:
        new = Converted(b"", (), (), {"op_versions": {"CONV_2D": 99}})
        with pytest.raises(EngineTooOld, match="CONV_2D version 99"):
            self.plan(INT8).check({FLOAT: new}, strict=False)
