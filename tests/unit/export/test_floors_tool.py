"""The tool that measures the engines: its reading of their answers, and its tables."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from strop_export.errors import ExportError
from strop_export.floors import __main__ as tool
from strop_export.floors import measure
from strop_export.floors.releases import RELEASES

TOO_NEW = "Didn't find op for builtin opcode 'ADD' version '9'. An older version might do"
FILES = {"ADD": dict.fromkeys(range(1, 5), b"")}


def answered(*errors: str | None) -> dict[str, dict[str, str | None]]:
    return {"ADD": {str(version): error for version, error in enumerate(errors, 1)}}


@pytest.mark.parametrize(
    ("errors", "highest"),
    [
        ((None, None, TOO_NEW, TOO_NEW), {"ADD": 2}),
        ((TOO_NEW, None, None, TOO_NEW), {"ADD": 3}),
        ((TOO_NEW,) * 4, {}),
    ],
)
def test_the_highest_version_taken(errors: tuple[str | None, ...], highest: dict[str, int]) -> None:
    assert measure.highest_taken("engine 1.0", FILES, answered(*errors)) == highest


@pytest.mark.parametrize("errors", [(None, TOO_NEW, None, TOO_NEW), (None,) * 4])
def test_a_gap_or_no_end_is_not_taken_for_an_answer(errors: tuple[str | None, ...]) -> None:
    with pytest.raises(ExportError, match=r"engine 1.0 takes ADD in versions .* no range"):
        measure.highest_taken("engine 1.0", FILES, answered(*errors))


def test_an_error_about_anything_else_is_not_taken_for_an_answer() -> None:
    answers = answered(None, "out of memory", TOO_NEW, TOO_NEW)
    with pytest.raises(ExportError, match="engine 1.0: ADD version 2: out of memory"):
        measure.highest_taken("engine 1.0", FILES, answers)


def test_what_is_written_says_from_which_release_on() -> None:
    measured = {"1.9": {"ADD": 1}, "1.10": {"ADD": 1, "MUL": 2}, "2.0": {"ADD": 3}}
    text = tool.to_toml("litert", measured)
    assert text.startswith("# The highest versions that releases of ai-edge-litert take.")
    assert tomllib.loads(text) == {
        "releases": ["1.9", "1.10", "2.0"],
        "highest": {"ADD": {"1.9": 1, "2.0": 3}, "MUL": {"1.10": 2, "2.0": 0}},
    }


def test_a_release_that_cannot_be_installed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(tool, "cache", lambda part: tmp_path)
    monkeypatch.setattr(measure, "cache", lambda part: tmp_path)
    monkeypatch.setattr(measure, "PYTHONS", (sys.executable,))
    monkeypatch.setitem(RELEASES, "onnx", ("0.0.1",))
    assert tool.main(["onnx"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("floors: onnxruntime==0.0.1 cannot be installed: ")
    assert list(tmp_path.iterdir()) == []  # no result is recorded, and nothing stays installed


def test_an_unknown_engine_is_one_line() -> None:
    command = [sys.executable, "-m", "strop_export.floors", "warp"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "floors: no releases of 'warp' are listed; choose tflite, litert, onnx\n"
