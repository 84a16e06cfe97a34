"""How a command ends: its exit status, and what it prints."""

from __future__ import annotations

import json

import pytest

from strop.commands.refusal import exit_status
from strop.commands.terminal import OutputError
from strop.errors import InputError, ParityError


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("no such input", "name another"), 2, "no such input; name another"),
        (ParityError("3 differ"), 1, "3 differ"),
        (MemoryError(), 2, "out of memory"),
        (PermissionError(13, "Permission denied", "dist"), 2, "the system refused: dist: Permiss"),
        (OSError("no disk"), 2, "the system refused: no disk"),
    ],
)
def test_what_stops_a_command_is_a_line_and_with_json_an_object(
    error: Exception, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(lambda: _raise(error), program="p", as_json=True) == status
    printed = capsys.readouterr()
    assert printed.err.startswith(f"p: {said}")
    assert printed.err.count("\n") == 1
    assert json.loads(printed.out)["error"].keys() == {"kind", "problem", "mend"}
    assert exit_status(lambda: _raise(error)) == status
    printed = capsys.readouterr()
    assert (printed.err[:7], printed.out) == ("strop: ", "")


def test_an_interrupt_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    status = exit_status(lambda: _raise(KeyboardInterrupt()), after_stop="; again goes on")
    assert (status, capsys.readouterr().err) == (130, "strop: stopped; again goes on\n")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BrokenPipeError(), 141, ""),
        (OutputError("full"), 2, "strop: cannot write the output: full\n"),
    ],
)
def test_an_output_that_fails_is_no_output(
    error: Exception,
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may fail when the refusal is printed, too."""
    monkeypatch.setattr("strop.commands.refusal.forget", lambda stream: None)
    assert exit_status(lambda: _raise(error)) == status
    monkeypatch.setattr("strop.commands.refusal.print_json", lambda value: _raise(error))
    assert exit_status(lambda: _raise(InputError("x")), as_json=True) == status
    assert capsys.readouterr().err == 2 * said


def test_what_it_returns_is_the_status() -> None:
    assert exit_status(lambda: 7) == 7


def _raise(error: BaseException) -> int:
    raise error
