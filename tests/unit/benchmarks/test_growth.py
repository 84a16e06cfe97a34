"""The growth of a call's time: random models on which all engines agree, and their rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import growth, random_models
from benchmarks.growth import Plan
from benchmarks.results import STROP
from strop import engines
from strop.errors import EngineUnavailable

SMALL = Plan((8, 16), (1, 3), 50_000, 500.0)


def expected(layers: random_models.Layers, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    x: NDArray[np.float32] = pixels.astype(np.float32)
    for kernel, bias in layers[:-1]:
        x = np.maximum(x @ kernel + bias, 0)
    kernel, bias = layers[-1]
    answers: NDArray[np.float32] = 1 / (1 + np.exp(-(x @ kernel + bias)))
    return answers


@pytest.mark.parametrize("engine", list(growth._ENGINES))
def test_every_engine_answers_alike(engine: str) -> None:
    layers = random_models.layers(16)
    pixels = np.random.default_rng(1).integers(256, size=(3, 784), dtype=np.uint8)
    with growth._open(engine, layers) as model:
        for batch in (pixels[:1], pixels):
            np.testing.assert_allclose(model.predict(batch), expected(layers, batch), atol=1e-4)


def test_a_width_has_that_many_multiply_accumulates() -> None:
    assert random_models.macs(random_models.layers(50)) == 784 * 50 + 50 * 50 + 50 * 10


def test_rows_by_width_and_batch() -> None:
    rows = list(growth.time_all(SMALL))
    assert {row.subject for row in rows} == {
        f"Strop {engine} float32" for engine in growth._ENGINES
    }
    for row in rows:
        assert (row.kind, row.axis, row.unit) == (STROP, "growth", "us")
        assert row.value == row.p50_us == np.median(row.samples_us)
        assert row.parts["macs"] == (row.batch or 0) * random_models.macs(
            random_models.layers(int(row.parts["width"]))
        )
        assert row.parts["macs"] <= SMALL.most_macs
    assert {(row.parts["width"], row.batch) for row in rows} == {(8, 1), (8, 3), (16, 1), (16, 3)}
    few = growth.time_all(SMALL._replace(most_macs=20_000))
    assert {(row.parts["width"], row.batch) for row in few} == {(8, 1), (8, 3), (16, 1)}


def test_an_engine_that_is_not_here_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(name: str) -> object:
        raise EngineUnavailable(f"no {name}: pip install it")

    monkeypatch.setattr(engines, "get", get)
    rows = list(growth.time_all(SMALL))
    assert [row.absent for row in rows] == [
        f"no {name}: pip install it" for name in growth._ENGINES
    ]
    assert {row.value for row in rows} == {None}


def test_it_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    rows = growth.measure(True, said.append)
    assert len(said) == len(rows)
    assert said[-1].startswith("Strop reference float32, width 1,024, batch 64: ")
    assert isinstance(rows[0].samples_us, tuple)
    monkeypatch.setattr(growth, "ROOT", growth.ROOT.parent)  # from where there is no such module
    with pytest.raises(RuntimeError, match="benchmarks.growth --quick failed with status 1"):
        growth.measure(True, said.append)


def test_a_row_of_it_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(growth, "_FULL", SMALL._replace(widths=(8,), batches=(1,)))
    assert growth.main([]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["engine"] for line in lines] == list(growth._ENGINES)
