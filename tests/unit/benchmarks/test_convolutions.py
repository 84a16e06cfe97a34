"""Convolutional networks: who runs them, their samples, judged and timed in one run, and tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import convolutions, exports, networks, ratios, subjects, table
from benchmarks.cases import cases
from benchmarks.convolutions import BATCHES, Plan
from benchmarks.crew import Crew
from benchmarks.environments import Environments
from benchmarks.files import Files, NotMeasurable
from benchmarks.results import Row
from tests.unit.benchmarks import sample
from tests.unit.benchmarks.staged import IMAGES, case

SMALL = Plan(("lenet",), exports=False, generations=2, rounds=2, one_by_one_s=0.1)


def test_each_package_runs_them_once_at_each_precision() -> None:
    names = [case.name for case in convolutions.chosen(cases())]
    assert len(names) == len(set(names))
    for way in ("Strop native", "Strop litert", "LiteRT set_tensor", "LiteRT CompiledModel"):
        assert {f"{way} int8", f"{way} float32"} <= set(names)
    for held in ("Strop native int8 avx2", "OpenVINO bound request float32 avx2"):
        assert held in names
    assert not [name for name in names if "dense" in name or "dynamic" in name or "Keras" in name]


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_samples_are_the_same_each_time_and_of_every_class(name: str) -> None:
    network = networks.NETWORKS[name]
    given, labels = networks.samples(network, 200)
    assert given.shape == (200, *network.shape)
    assert given.dtype == np.uint8
    assert set(labels.tolist()) == set(range(network.classes))
    np.testing.assert_array_equal(networks.samples(network, 200)[0], given)


@pytest.mark.parametrize(
    ("name", "macs"), [("lenet", 416_520), ("ds-cnn", 2_656_768), ("resnet8", 12_501_632)]
)
def test_a_network_costs_what_its_paper_says(name: str, macs: int) -> None:
    import keras

    network = networks.NETWORKS[name]
    inputs = keras.Input(network.shape)
    outputs = keras.layers.Dense(network.classes)(network.layers(inputs))
    assert sum(map(_macs, keras.Model(inputs, outputs).layers)) == macs


def _macs(layer: object) -> int:
    import keras

    if isinstance(layer, keras.layers.Dense):
        return int(np.prod(layer.kernel.shape))
    if isinstance(layer, keras.layers.Conv2D):
        return int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3]))
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3]))
    return 0


class TestMeasured:
    @pytest.fixture(autouse=True)
    def _batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(convolutions, "BATCHES", (1, IMAGES // 2))

    def test_all_that_are_the_same_model_are_timed_in_both_sizes(self, staged: Crew) -> None:
        ours = replace(case("right"), module="strop_runtime", engine="native")
        raw, wrong = case("talkative"), case("wrong")
        staged_ours = replace(ours, module="right")  # it stands for Strop in its process
        turns = convolutions.time_all(staged, [staged_ours, raw, wrong], SMALL, lambda who: None)
        assert {(one.loop, batch): list(taken) for (one, batch), taken in turns.items()} == {
            (loop, batch): [0, 1, 2, 3]
            for loop in ("right", "talkative")
            for batch in (1, IMAGES // 2)
        }
        assert staged.absent(wrong).startswith("not the same model: ")
        as_strop = {(ours if one == staged_ours else one, b): t for (one, b), t in turns.items()}
        found = ratios.convolutions(as_strop, "LeNet")
        assert [(ratio.axis, ratio.batch, ratio.against, ratio.network) for ratio in found] == [
            ("convolutions", 1, raw.name, "LeNet"),
            ("convolutions", IMAGES // 2, raw.name, "LeNet"),
        ]

    def test_a_network_is_measured_with_its_own_files(
        self, staged: Crew, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        acts = [case("right"), case("failing")]
        monkeypatch.setattr(convolutions, "chosen", lambda cases: list(cases))
        monkeypatch.setattr(convolutions, "exported", lambda name, allowed: staged.files)
        rows, _ = convolutions.measure(staged.environments, acts, SMALL, lambda who: None)
        timed = [row for row in rows if row.value is not None]
        assert [(row.subject, row.batch, row.network) for row in timed] == [
            (acts[0].name, batch, "LeNet") for batch in (1, IMAGES // 2)
        ]
        assert {row.unit for row in timed} == {"us"}
        assert [row.absent for row in rows if row.value is None] == [
            "it fails: OverflowError: too much"
        ] * 2


class TestExported:
    @pytest.fixture(autouse=True)
    def _cache(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(exports, "CACHE", tmp_path)

    def test_a_quick_run_does_not_export(self) -> None:
        nowhere = Environments({}, Path(), Path())
        some = convolutions.chosen(cases())
        rows, found = convolutions.measure(nowhere, some, convolutions.QUICK, lambda who: None)
        assert {row.absent for row in rows} == {
            "it is not exported yet: `make bench` does, in a minute; QUICK=1 not"
        }
        assert ({row.network for row in rows}, len(rows), found) == ({"LeNet"}, len(some), [])

    def test_an_export_that_fails_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exports, "ROOT", Path("/"))  # from where there is no such module
        with pytest.raises(NotMeasurable, match=r"benchmarks.networks ends with status 1: .*No mo"):
            convolutions.exported("lenet")


def test_the_files_of_a_network_tell_its_classes(tmp_path: Path) -> None:
    files = Files(tmp_path, tmp_path)
    np.save(files.answers, np.zeros((3, 12), np.float32))
    assert files.classes == 12


class TestTables:
    def test_a_line_for_each_network_and_subject(self) -> None:
        (times,) = (
            one for one in table.sections(sample.results()) if one.title == "Convolutional networks"
        )
        lines = {line.cells[:2]: line for line in times.lines}
        line = lines["Strop native int8", "ResNet8"]
        assert line.is_strop
        assert line.cells[2:] == ("901", "982", "989", "57,664", "62,854", "63,315")
        assert len(times.columns) == 2 + 3 * len(BATCHES)

    def test_ratios_have_a_column_for_each_network_and_batch(self) -> None:
        title = "Convolutional networks: Strop's time over the fastest peer's"
        (shown,) = (one for one in table.sections(sample.results()) if one.title == title)
        assert shown.columns == ("", "LeNet 1", "LeNet 64")
        assert [line.cells for line in shown.lines] == [("native int8", "1.700", "1.600")]
        first = next(iter(table.sections(sample.results())))
        assert not [line for line in first.lines if line.cells[0] == "native int8"]

    def test_a_reason_names_the_network(self) -> None:
        gone = Row("A", "peer", "", "int8", "convolutions", 1, network="LeNet", absent="why")
        here = Row("A", "peer", "", "int8", "latency", 1, value=2.0)
        results = replace(sample.results(), rows=(here, gone))
        assert list(subjects.absent(results)) == [("A (LeNet of 1)", "why")]
