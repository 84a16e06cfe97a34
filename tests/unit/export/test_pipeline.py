"""Engines that cannot be had end as named refusals; the other targets go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from export import environments, pipeline, targets
from export.errors import EngineMissing


@pytest.fixture
def no_old_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A workstation whose Pythons are all too new for tflite-runtime, with nothing cached."""
    monkeypatch.setattr(environments, "CACHE", tmp_path)
    monkeypatch.setattr(environments, "TFLITE_PYTHONS", ((3, 6),))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_old_python")
def test_targets_whose_engine_is_missing_are_refused_by_name_and_the_others_go_on() -> None:
    steps: list[str] = []
    chosen = [targets.load(name) for name in targets.names()]
    pythons, refused = pipeline.find_engines("mnist-mlp", chosen, steps.append)
    assert [refusal.bundle for refusal in refused] == [
        "mnist-mlp-rpi.strop",
        "mnist-mlp-rpi32.strop",
    ]
    for refusal in refused:
        assert refusal.engine_missing
        assert "tflite-runtime 2.14" in refusal.reason
        assert "no python3.6 here" in refusal.reason
        assert "install one" in refusal.reason
    assert pythons.keys() == {"litert", "onnx", "reference"}
    assert steps == ["engine litert", "engine onnx", "engine reference", "engine tflite"]


def test_an_environment_that_pip_cannot_fill_is_not_taken_for_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("no-such-package-of-strop==0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(environments, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(environments, "TFLITE_LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for _ in range(2):
        with pytest.raises(EngineMissing, match="engine tflite: .*pip install.* failed"):
            environments.python_for("tflite")
