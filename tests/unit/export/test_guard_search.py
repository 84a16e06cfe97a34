"""The order of the ladder, where it stops, and what takes the place of an int8 file.

A stand-in for the converter says how good each file is: only the search's own rules are tested
here. tests/e2e/test_guard.py runs the real converter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop_export import guard, selection, targets
from strop_export.errors import ConversionError, NothingToEqualize
from strop_export.formats import Converted, VariantSpec
from strop_export.formats.base import Ranked
from strop_export.guard.ladder import FIRST_SAMPLES
from tests.unit.export.outputs import OWN, probabilities, spec, swapped, truth

KERAS = probabilities(200)
TRUTH = truth(spec("class"), KERAS)
CPU, RPI32 = targets.load("cpu"), targets.load("rpi32")
TFLITE, ONNX = VariantSpec("tflite", "int8"), VariantSpec("onnx", "int8")
RANKING = tuple(Ranked(name, db, 10, 100) for name, db in (("a", 3.0), ("b", 9.0), ("c", 40.0)))

Wrong = Callable[[VariantSpec], int]


@dataclass
class Maker:
    """Files that give some samples another class, by their spec."""

    wrong: Wrong
    shares: dict[tuple[str, ...], float | None] = field(default_factory=dict)  # by layers in float
    refuses: dict[str, ConversionError] = field(default_factory=dict)  # by precision
    requires: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    asked: list[VariantSpec] = field(default_factory=list)

    def convert(self, spec: VariantSpec) -> Converted:
        self.asked.append(spec)
        if spec.precision in self.refuses:
            raise self.refuses[spec.precision]
        own = spec.quantization
        for part in (own.ranges, "equalized" if own.equalized else ""):
            if part in self.refuses:
                raise self.refuses[part]
        data = bytes(self.sizes.get(spec.precision, 100))
        share = self.shares.get(spec.quantization.float_layers, 1.0)
        return Converted(data, (), (), self.requires, (), share)

    def answers(self, spec: VariantSpec) -> tuple[NDArray[Any], ...]:
        return (swapped(KERAS, self.wrong(spec)),)

    def ranking(self, spec: VariantSpec) -> tuple[Ranked, ...]:
        return RANKING


def path(
    maker: Maker,
    asked: VariantSpec = TFLITE,
    target: targets.Target = CPU,
    samples: int = 150,
    said: list[str] | None = None,
) -> guard.Path:
    trials = guard.Trials(maker, TRUTH, OWN, guard.Sizes(samples, len(KERAS)))
    return guard.find_path(target, asked, trials, (said if said is not None else []).append)


def names(found: guard.Path) -> list[str]:
    return [tried.name for tried in found.tried]


def only(*precisions: str) -> Wrong:
    """All but some precisions give half of the samples another class."""
    return lambda spec: 0 if spec.precision in precisions else 100


def test_an_int8_file_that_holds_is_the_whole_path() -> None:
    said: list[str] = []
    found = path(Maker(only("int8")), said=said)
    assert names(found) == ["int8"]
    assert found.chosen == TFLITE
    assert not said
    assert found.ranking == ()


def test_ranges_that_cannot_be_found_skip_no_other_steps() -> None:
    maker = Maker(only("float32"), refuses={"percentile": ConversionError("too many bins")})
    assert names(path(maker))[:4] == [
        "int8",
        "int8, percentile ranges",
        "int8, equalized",
        "int8, entropy ranges",
    ]


def test_a_file_that_holds_on_the_held_out_samples_is_judged_on_the_others_too() -> None:
    class LuckyAtFirst(Maker):
        """A maker whose int8 file is wrong on samples that calibrate alone."""

        def answers(self, spec: VariantSpec) -> tuple[NDArray[Any], ...]:
            wrong = self.wrong(spec)
            return (np.concatenate([KERAS[:50], swapped(KERAS[50:], wrong)]),)

    maker = LuckyAtFirst(only("float32"))
    trials = guard.Trials(maker, TRUTH, OWN, guard.Sizes(150, 50))
    found = guard.find_path(CPU, TFLITE, trials, print)
    assert [tried.samples for tried in found.tried] == [len(KERAS)] * len(found.tried)
    assert found.chosen == VariantSpec("tflite", "float32")
    miss = guard.find_path(
        CPU, TFLITE, guard.Trials(Maker(only("float32")), TRUTH, OWN, guard.Sizes(150, 50)), print
    )
    assert miss.tried[0].samples == 50
    assert miss.tried[-1].samples == len(KERAS)


def test_the_steps_come_in_their_order_and_each_says_why_it_fails() -> None:
    said: list[str] = []
    found = path(Maker(only("float32")), said=said)
    assert names(found) == [
        "int8",
        "int8, percentile ranges",
        "int8, equalized",
        "int8, equalized, percentile ranges",
        "int8, entropy ranges",
        "mixed, a in float",
        "mixed, a and b in float",
        "mixed, a, b and c in float",
        "int16x8",
        "dynamic",
        "float16",
        "float32",
    ]
    assert all("100 of 200 samples get another class" in t.fault for t in found.tried[:-1])
    assert found.chosen == VariantSpec("tflite", "float32")
    assert said[0] == "tflite int8 misses: trying int8, percentile ranges"
    assert found.ranking == RANKING


def test_an_onnx_file_has_no_step_that_its_format_does_not_know() -> None:
    found = path(Maker(only("float32")), ONNX)
    assert not {"int16x8", "dynamic"} & {tried.spec.precision for tried in found.tried}


def test_many_samples_come_after_a_part_of_them() -> None:
    found = path(Maker(lambda spec: 100 if spec.quantization.samples else 0), samples=900)
    assert names(found) == ["int8", "int8, all samples"]
    assert found.tried[0].spec.quantization.samples == FIRST_SAMPLES
    assert found.chosen == TFLITE


def test_without_scales_to_balance_the_equalized_steps_end_at_once() -> None:
    maker = Maker(only("dynamic"), refuses={"equalized": NothingToEqualize("no two layers")})
    found = path(maker)
    (tried,) = (tried for tried in found.tried if tried.spec.quantization.equalized)
    assert tried.fault == "no two layers"


def test_a_precision_that_cannot_be_written_is_not_tried_again() -> None:
    maker = Maker(only("dynamic"), refuses={"int8": ConversionError("it died of SIGSEGV")})
    found = path(maker)
    assert names(found) == ["int8", "int16x8", "dynamic"]
    assert found.tried[0].fault == "it died of SIGSEGV"


class TestMixed:
    def wrong(self, *float_layers: str) -> Wrong:
        def count(spec: VariantSpec) -> int:
            if spec.precision == "mixed":
                return 0 if set(float_layers) <= set(spec.quantization.float_layers) else 50
            return 60 if spec.quantization.equalized else 100

        return count

    def test_layers_become_float_until_it_holds(self) -> None:
        found = path(Maker(self.wrong("a", "b")))
        assert found.chosen is not None
        assert found.chosen.quantization.float_layers == ("a", "b")
        assert names(found)[-2:] == ["mixed, b in float", "mixed, a and b in float"]

    def test_a_layer_that_is_not_needed_goes_back(self) -> None:
        found = path(Maker(self.wrong("b")))
        assert found.chosen is not None
        assert found.chosen.quantization.float_layers == ("b",)

    def test_it_builds_on_the_best_int8_file(self) -> None:
        found = path(Maker(self.wrong("a")))
        assert found.chosen is not None
        assert found.chosen.quantization.equalized

    def test_it_stops_if_too_little_stays_in_integers(self) -> None:
        shares: dict[tuple[str, ...], float | None] = {("a",): 0.8, ("a", "b"): 0.31}
        found = path(Maker(self.wrong("a", "b"), shares, sizes={"mixed": 80, "float16": 70}))
        assert found.stopped == (
            "2 layers in float (a and b) would leave 31% of the operations in integers, and "
            "float16 is as small"
        )
        assert names(found)[5:] == ["mixed, a in float", "int16x8", "dynamic", "float16", "float32"]

    def test_what_is_float_in_the_int8_file_too_counts_for_nothing(self) -> None:
        found = path(Maker(self.wrong("a"), {(): 0.4, ("a",): 0.3}))
        assert not found.stopped
        assert found.chosen is not None
        assert found.chosen.precision == "mixed"

    def test_it_stops_where_no_operation_is_saved_and_float16_is_smaller(self) -> None:
        shares: dict[tuple[str, ...], float | None] = {(): 0.0, ("a",): 0.0}
        small = path(Maker(self.wrong("a"), shares, sizes={"mixed": 60, "float16": 70}))
        assert small.chosen is not None
        assert small.chosen.precision == "mixed"
        large = path(Maker(self.wrong("a"), shares, sizes={"mixed": 80, "float16": 70}))
        assert "would leave 0% of the operations in integers" in large.stopped

    def test_if_the_share_is_not_known_the_size_decides(self) -> None:
        shares: dict[tuple[str, ...], float | None] = {(): None, ("a",): None}
        small = path(Maker(self.wrong("a"), shares, sizes={"mixed": 60, "float16": 70}))
        assert small.chosen is not None
        assert small.chosen.precision == "mixed"
        large = path(Maker(self.wrong("a"), shares, sizes={"mixed": 80, "float16": 70}))
        assert "would leave an unknown share of the operations in integers" in large.stopped


class TestSlots:
    def chosen(self, target: targets.Target, wrong: Wrong) -> targets.Target:
        asked = (v for v in target.variants if guard.is_guarded(v))
        return guard.with_chosen(target, [path(Maker(wrong), spec, target) for spec in asked])

    def kinds(self, target: targets.Target) -> list[tuple[str, str]]:
        return [(variant.format, variant.precision) for variant in target.variants]

    def test_a_target_whose_int8_files_hold_stays_as_it_is(self) -> None:
        assert self.chosen(CPU, only("int8")) == CPU

    def test_a_file_that_is_listed_anyway_moves_up_once(self) -> None:
        found = self.kinds(self.chosen(CPU, only("dynamic", "float16")))
        assert found == [
            ("plan", "float32"),
            ("tflite", "dynamic"),
            ("tflite", "float32"),
            ("tflite", "float16"),
            ("onnx", "float32"),
            ("onnx", "float16"),
            ("weights", "float32"),
        ]

    def test_the_listed_file_is_the_one_that_is_tried(self) -> None:
        """That of a Pi has one scale for each tensor, which tflite-runtime needs."""
        found = path(Maker(only("dynamic")), TFLITE, RPI32)
        assert found.chosen == VariantSpec("tflite", "dynamic", per_channel=False)
        assert found.chosen in RPI32.variants

    @pytest.mark.parametrize("kept", [None, ["int8"]])
    def test_a_dynamic_file_has_one_scale_for_each_tensor_if_an_engine_takes_no_other(
        self, kept: list[str] | None
    ) -> None:
        """A target of chosen precisions, or of one's own, lists no dynamic file."""

        class PerChannel(Maker):
            def convert(self, spec: VariantSpec) -> Converted:
                version = 12 if spec.precision == "dynamic" and spec.per_channel else 1
                needs = {"op_versions": {"FULLY_CONNECTED": version}}
                return replace(super().convert(spec), requires=needs)

        (target,) = selection.of_precisions([RPI32], kept)
        found = path(PerChannel(only("dynamic")), TFLITE, target)
        assert found.chosen == VariantSpec("tflite", "dynamic", per_channel=False)
        assert names(found).count("dynamic") == 1
        on_pc = path(PerChannel(only("dynamic")), TFLITE, replace(CPU, variants=(TFLITE,)))
        assert on_pc.chosen == VariantSpec("tflite", "dynamic")

    def test_a_place_for_which_no_file_holds_is_left_out(self) -> None:
        found = self.chosen(CPU, only("weights"))
        assert ("tflite", "int8") not in self.kinds(found)
        assert ("plan", "int8") not in self.kinds(found)  # it is made from that .tflite file
        assert len(found.variants) == len(CPU.variants) - 3

    def test_a_file_that_an_engine_is_too_old_for_fails(self) -> None:
        maker = Maker(only("int8"), requires={"op_versions": {"FULLY_CONNECTED": 12}})
        found = path(maker, TFLITE, RPI32)
        assert "tflite 2.14.0 takes" in found.tried[0].fault
        assert found.chosen is None


def test_a_file_of_several_targets_is_made_once() -> None:
    maker = Maker(only("int8"))
    trials = guard.Trials(maker, TRUTH, OWN, guard.Sizes(150, len(KERAS)))
    for target in (CPU, RPI32, replace(CPU, name="other")):
        guard.find_path(target, TFLITE, trials, print)
    assert maker.asked == [TFLITE]


def test_of_several_outputs_the_one_at_fault_is_noted() -> None:
    of = spec("regression", (1,), name="where"), spec("class", name="what")
    line = np.linspace(0, 1, 200)[:, None]

    @dataclass
    class Two(Maker):
        def answers(self, spec: VariantSpec) -> tuple[NDArray[Any], ...]:
            return line, swapped(KERAS, self.wrong(spec))

    trials = guard.Trials(
        Two(only("float32")), truth(of, (line, KERAS)), OWN, guard.Sizes(150, len(KERAS))
    )
    found = guard.find_path(CPU, TFLITE, trials, print)
    assert found.tried[0].at_fault == 1
    assert found.tried[0].fault.startswith("output 'what': 100 of 200 samples")
