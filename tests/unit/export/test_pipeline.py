"""A missing engine is a named refusal; the other targets are exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop_export import pipeline, selection, targets
from strop_export.proof import environments


@pytest.fixture
def no_old_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A workstation with only Pythons that are too new for tflite-runtime, and an empty cache."""
    monkeypatch.setattr(environments, "cache", lambda part: tmp_path)
    monkeypatch.setattr(environments, "TFLITE_PYTHONS", ((3, 6),))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_old_python")
def test_targets_whose_engine_is_missing_are_refused_by_name_and_the_others_go_on() -> None:
    steps: list[str] = []
    chosen = selection.load_all([targets.ALL])
    workstation, refused = pipeline.find_engines("mnist-mlp", chosen, (), steps.append)
    assert [refusal.bundle for refusal in refused] == [
        "mnist-mlp-rpi.strop",
        "mnist-mlp-rpi32.strop",
    ]
    for refusal in refused:
        assert refusal.engine_missing
        assert "tflite-runtime 2.14" in str(refusal.error)
        assert "no python3.6 here" in str(refusal.error)
        assert "install one" in str(refusal.error)
    wanted = dict.fromkeys(engine for target in chosen for engine in target.engines)
    assert {"native", "litert", "onnx", "reference", "tflite"} <= wanted.keys()
    assert workstation.pythons.keys() == {(n, "cpu") for n in wanted if n != "tflite"}
    assert steps == [f"engine {name}" for name in wanted]
