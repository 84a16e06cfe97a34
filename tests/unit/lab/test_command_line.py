"""`python -m lab` where there is nothing to run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import machine
from lab.__main__ import main


def test_an_unknown_board_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["on", "pi9", "strop doctor"]) == 2
    assert capsys.readouterr().err == (
        "lab: there is no board 'pi9'; there are pc, pi2, pi3, pi4, pi5, zero\n"
    )


def test_a_board_that_is_not_built_names_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine.Machine.__init__, "__defaults__", (tmp_path,))
    wheel = tmp_path / "strop.whl"
    wheel.write_bytes(b"")
    assert main(["on", "pi4", "strop doctor", "--wheel", str(wheel)]) == 2
    assert capsys.readouterr().err == "lab: board pi4 is not built: make lab\n"


def test_the_boards_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "pi5" in said
    assert "cortex-a72" in said
