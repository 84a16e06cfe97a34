"""The terminal: text is made printable, tables fit, and long steps are shown."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from strop import cli
from strop.commands import terminal
from strop.commands.terminal import lay_out
from strop.errors import one_line, printable
from tests import bundles


class TestPrintable:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("seven.png", "seven.png"),
            ("Stra\u00dfe \u4e03 \u05e9\u05d1\u05e2", "Stra\u00dfe \u4e03 \u05e9\u05d1\u05e2"),
            ("a\x1b[2Jb\x7f\x9b", "a\\x1b[2Jb\\x7f\\x9b"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u202egnp.exe\u2066\u200b\ufeff", "\\u202egnp.exe\\u2066\\u200b\\ufeff"),
            ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"),
            ("\udcff.png", "\\udcff.png"),
            ("\U000e0001", "\\U000e0001"),
        ],
    )
    def test_only_letters_and_blanks_stay(self, text: str, shown: str) -> None:
        assert printable(text) == shown
        assert printable(shown) == shown

    def test_what_an_engine_says_over_lines_is_one(self) -> None:
        assert one_line("no such\n  opcode\t\x1b[1m\n") == "no such opcode \\x1b[1m"


HEADER = ("engine", "precision", "bytes", "max error", "what to do")
ROWS = [
    ("litert gpu", "float32", "1,234,567", "1.2e-07"),
    ("\u4e03\u516b", "int8", "48,688", "-"),
]
COMMAND = "apt install a && pip install 'b c'"
NOTES = [["NVIDIA H200, Vulkan 1.3"], [COMMAND, "or use onnx"]]
WORDS = ("litert gpu", "1,234,567", "1.2e-07", "48,688", "float32", "Vulkan 1.3", "or use onnx")


class TestLayOut:
    @pytest.mark.parametrize("room", [20, 30, 40, 60, 80, None])
    def test_nothing_is_cut_or_left_out(self, room: int | None) -> None:
        lines = lay_out(ROWS, HEADER, NOTES, room)
        assert room is None or max(map(len, lines)) <= room
        text = " ".join(" ".join(lines).split())
        for word in (*WORDS, *HEADER[:-1]):
            assert word in text

    def test_with_room_it_is_a_table(self) -> None:
        assert lay_out(ROWS, HEADER, NOTES, 80) == [
            "engine      precision  bytes      max error  what to do",
            "litert gpu  float32    1,234,567  1.2e-07    NVIDIA H200, Vulkan 1.3",
            # A letter of two columns is one.
            f"\u4e03\u516b{' ' * 8}int8       48,688     -          {COMMAND}",
            " " * 45 + "or use onnx",
        ]

    def test_notes_go_below_where_there_is_no_room_beside(self) -> None:
        assert lay_out(ROWS, HEADER, NOTES, 60)[3:6] == [
            "\u4e03\u516b        int8       48,688     -",
            "    apt install a && pip install 'b c'",
            "    or use onnx",
        ]

    def test_a_table_that_is_too_wide_names_its_values(self) -> None:
        assert lay_out(ROWS, HEADER, NOTES, 38) == [
            "engine: litert gpu",
            "  precision: float32  bytes: 1,234,567",
            "  max error: 1.2e-07",
            "  NVIDIA H200, Vulkan 1.3",
            "engine: \u4e03\u516b  precision: int8",
            "  bytes: 48,688  max error: -",
            "  apt install a && pip install 'b c'",
            "  or use onnx",
        ]

    def test_numbers_may_end_at_the_right(self) -> None:
        lines = lay_out([("a", "7"), ("b", "1,000")], ("", "bytes"), numbers=("bytes",))
        assert lines == ["   bytes", "a      7", "b  1,000"]

    def test_a_table_of_no_rows_is_nothing(self) -> None:
        assert lay_out([], HEADER) == []


class Shown:
    """The lines that a command shows on its own terminal."""

    def __init__(self, columns: int, *arguments: object, **variables: str) -> None:
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        command = [sys.executable, "-m", "strop", *map(str, arguments)]
        with subprocess.Popen(
            command, stdout=its, stderr=its, env={**os.environ, **variables}
        ) as process:
            os.close(its)
            said = b""
            while chunk := self._read(ours):
                said += chunk
        os.close(ours)
        self.status = process.returncode
        *self.steps, last = said.decode().split("\r\033[K")
        self.lines = last.splitlines()

    @staticmethod
    def _read(terminal: int) -> bytes:
        try:
            return os.read(terminal, 65536)
        except OSError:  # nobody is left at the other end
            return b""


class TestWidth:
    def test_a_terminal_of_40_columns_gets_whole_figures(self, image_path: Path) -> None:
        shown = Shown(40, "check", image_path)
        assert shown.status == 0
        assert max(map(len, shown.lines)) <= 40
        assert "precision: float32" in " ".join(shown.lines)

    def test_columns_overrules_what_is_no_terminal(
        self,
        image_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert terminal.width() is None
        for value in ("0", "wide", "-3", "\u0664\u0660"):
            monkeypatch.setenv("COLUMNS", value)
            assert terminal.width() is None
        monkeypatch.setenv("COLUMNS", "1")
        assert terminal.width() == 20
        monkeypatch.setenv("COLUMNS", "40")
        assert cli.main(["info", str(image_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert all(len(line) <= 40 or " " not in line.removeprefix("digest   ") for line in lines)


class TestProgress:
    def test_check_says_what_it_checks(self, image_path: Path) -> None:
        shown = Shown(80, "check", image_path)
        assert shown.steps == ["", "checking reference float32, 1 of 1"]
        assert "passed" in "".join(shown.lines)

    def test_install_and_rollback_say_so_too(self, image_path: Path, tmp_path: Path) -> None:
        newer = bundles.image(model_version=2).write(tmp_path / "newer.strop")
        folder = tmp_path / "folder"
        for command in (
            ("install", image_path, "--into", folder),
            ("install", newer, "--into", folder),
            ("rollback", folder),
        ):
            shown = Shown(80, *command)
            assert shown.steps == ["", "checking reference float32, 1 of 1"], shown.lines

    def test_where_stderr_is_no_terminal_there_is_none(
        self, image_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["check", str(image_path)]) == 0
        assert capsys.readouterr().err == ""
