"""`python -m lab` without boards to run on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from lab import boards, machine, vulkan
from lab.__main__ import main
from lab.errors import LabError


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


class Stub:
    """A board whose build has the result that a test needs."""

    begun: ClassVar[list[str]] = []

    def __init__(self, board: boards.Board) -> None:
        self.board = board

    def is_untouched(self) -> bool:
        return False

    def build(self, progress: Callable[[str], None]) -> None:
        self.begun.append(self.board.name)
        raise LabError(f"{self.board.name} is out of stock")


def test_every_board_that_cannot_be_built_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lab.__main__.Machine", Stub)
    monkeypatch.setattr(Stub, "begun", [])
    assert main(["build", "pi4", "pi5", "zero"]) == 2
    assert sorted(Stub.begun) == ["pi4", "pi5", "zero"]
    assert capsys.readouterr().err == (
        "lab: pi4 is out of stock; pi5 is out of stock; zero is out of stock\n"
    )


def test_an_interrupt_begins_no_further_board(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(self: Stub, progress: Callable[[str], None]) -> None:
        self.begun.append(self.board.name)
        if len(self.begun) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)

    monkeypatch.setattr("lab.__main__.Machine", Stub)
    monkeypatch.setattr(Stub, "begun", [])
    monkeypatch.setattr(Stub, "build", build)
    assert main(["build"]) == 130
    assert len(Stub.begun) <= 2
    assert capsys.readouterr().err == "lab: stopped; the next run continues from here\n"


def test_the_boards_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "pi5" in said
    assert "cortex-a72" in said


def test_the_software_gpu_is_built_and_its_variables_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vulkan, "build", lambda progress: progress("fetching it"))
    monkeypatch.setattr(vulkan, "adapter", lambda: "SwiftShader [1], software")
    monkeypatch.setattr(vulkan, "environment", lambda: {"NAME": "/a/value" * 40})
    assert main(["gpu"]) == 0
    assert capsys.readouterr().out == (
        "  fetching it\n"
        "GPU: SwiftShader [1], software. To use it, start a program with\n"
        f"  NAME={'/a/value' * 40}\n"
    )


def test_a_software_gpu_that_cannot_be_had_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(progress: Callable[[str], None]) -> None:
        raise LabError("it is out of stock")

    monkeypatch.setattr(vulkan, "build", build)
    assert main(["gpu"]) == 2
    assert capsys.readouterr().err == "lab: it is out of stock\n"
