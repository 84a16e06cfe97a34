"""The workstation's variables and files that a board's programs see or do not see."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import boards
from lab.machine import Machine


def _environment(tmp_path: Path, **variables: str) -> list[str]:
    machine = Machine(boards.load("pc"), tmp_path)
    done = machine.run(["env"], variables=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_name_of_this_processor_is_not_the_board_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "SkylakeX")
    monkeypatch.setenv("A_VARIABLE_OF_MINE", "1")
    found = _environment(tmp_path)
    assert "A_VARIABLE_OF_MINE=1" in found
    assert not any(line.startswith("OPENBLAS_") for line in found)


def test_what_is_asked_for_is_there(tmp_path: Path) -> None:
    assert "OPENBLAS_NUM_THREADS=1" in _environment(tmp_path, OPENBLAS_NUM_THREADS="1")
