"""Tuning the default model on real engines, and every use of the result."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import strop
from strop_export.proof.environments import run_strop
from tests.conftest import Exported
from tests.environments import run


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("tuned"))}


@pytest.fixture(scope="module")
def tuned(edge: Exported, environment: dict[str, str]) -> dict[str, object]:
    """The output of strop tune for the cpu bundle, once for all tests here."""
    command = (sys.executable, "-m", "strop", "tune", edge.bundle("cpu"), "--json")
    content: dict[str, object] = json.loads(run(*command, env=environment).stdout)
    return content


def _winner(tuned: dict[str, object]) -> tuple[str, str, int]:
    best = tuned["candidates"][0]  # type: ignore[index]
    return best["engine"], best["precision"], best["threads"]


def test_every_candidate_on_every_engine_passes_and_has_its_figures(
    tuned: dict[str, object],
) -> None:
    cores = len(os.sched_getaffinity(0))
    candidates: list[dict[str, object]] = tuned["candidates"]  # type: ignore[assignment]
    assert {c["engine"] for c in candidates} == {"native", "litert", "onnx", "reference"}
    assert {c["status"] for c in candidates} == {"passed"}
    assert [c["rank"] for c in candidates] == list(range(1, len(candidates) + 1))
    for engine, precision in (("litert", "int8"), ("onnx", "float32")):
        tried = {
            c["threads"] for c in candidates if (c["engine"], c["precision"]) == (engine, precision)
        }
        assert {1, cores} <= tried
    assert {c["threads"] for c in candidates if c["engine"] == "reference"} == {1}
    assert all(c["samples"] for c in candidates)


def test_load_opens_the_winner_and_answers_as_proven(
    edge: Exported,
    tuned: dict[str, object],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    evaluation = edge.evaluation()
    with strop.load(edge.bundle("cpu")) as model:
        assert (model.engine, model.precision, model.threads) == _winner(tuned)
        assert repr(model).endswith(", tuned>")
        answers = model.predict(evaluation["inputs"][:500]).argmax(-1)
    assert (answers == evaluation["labels"][:500]).mean() > 0.97


def test_forgotten_the_bundles_order_is_back(
    edge: Exported,
    tuned: dict[str, object],
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    file = Path(str(tuned["remembered"]))
    file.rename(tmp_path / "away")
    try:
        with strop.load(edge.bundle("cpu")) as model:
            assert (model.engine, model.precision, model.threads) == ("native", "int8", 1)
            assert not model.tuned
    finally:
        (tmp_path / "away").rename(file)


def test_run_opens_it_too_and_says_so(
    edge: Exported, tuned: dict[str, object], environment: dict[str, str], tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", edge.evaluation()["inputs"][0])
    command = (sys.executable, "-m", "strop", "run", edge.bundle("cpu"), tmp_path / "a.npy")
    model = json.loads(run(*command, "--json", env=environment).stdout)["model"]
    assert (model["engine"], model["precision"], model["threads"]) == _winner(tuned)
    assert model["tuned"]
    assert ", tuned>" in run(*command, env=environment).stderr


def test_a_proof_of_exports_is_none_of_its_business(
    edge: Exported,
    tuned: dict[str, object],
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Path(str(tuned["remembered"])).is_file()
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    np.save(tmp_path / "a.npy", edge.evaluation()["inputs"][0])
    said = run_strop(
        Path(sys.executable),
        [edge.wheel],
        *("run", str(edge.bundle("cpu")), str(tmp_path / "a.npy"), "--engine", "onnx"),
        directory=tmp_path,
    )
    assert (said["model"]["threads"], said["model"]["tuned"]) == (1, False)
