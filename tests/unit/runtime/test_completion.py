"""`strop completion` in the shells themselves: a line is typed with tabs in it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from strop.cli import main
from strop.commands.arguments import SHELLS
from tests.needs import unavailable

TYPED = [
    ("doc\t", "doctor"),
    ("run --engine lit\t", "run --engine litert"),
    ("check --prec\tint16\t", "check --precision int16x8"),
    ("check --json a.\t", "check --json a.strop"),
    ("run a.strop b.strop pho\t", "run a.strop b.strop photo.png"),
    ("install a.strop --into pla\t", "install a.strop --into place"),
    ("help swe\t", "help sweep"),
    ("completion fi\t", "completion fish"),
]
INTERACTIVE = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SET_UP = {
    "bash": "PS1=; source ./script; strop() { echo \"<<$*>>\"; }; echo READ'Y'\n",
    "zsh": "PS1=; autoload -U compinit; compinit -u -D; source ./script;"
    " strop() { echo \"<<$*>>\"; }; echo READ'Y'\n",
}
DEADLINE_S = 20.0


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        unavailable(f"no {name} on this machine", f"apt install {name}")
    return name


@pytest.fixture
def folder(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A bundle, other files and a folder by name; and the script."""
    for name in ("a.strop", "a.txt", "photo.png"):
        (tmp_path / name).touch()
    (tmp_path / "place").mkdir()
    assert main(["completion", shell]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out, encoding="ascii")
    return tmp_path


def test_each_line_is_completed(shell: str, folder: Path) -> None:
    lines = [line for line, _ in TYPED]
    completed = _in_fish(lines, folder) if shell == "fish" else _in_a_terminal(shell, lines, folder)
    # Shells differ in the slash that they put behind a folder.
    assert [one.rstrip("/") for one in completed] == [whole for _, whole in TYPED]


def _in_a_terminal(shell: str, lines: list[str], folder: Path) -> list[str]:
    """Type lines into a shell; return what the command was then called with."""
    environment = {**os.environ, "TERM": "dumb", "HOME": str(folder), "INPUTRC": "/dev/null"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        INTERACTIVE[shell],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        os.write(ours, SET_UP[shell].encode())
        _read_until(ours, "READY")
        completed = []
        for line in lines:
            os.write(ours, f"strop {line}\n".encode())
            completed.append(_read_until(ours, ">>").rpartition("<<")[2].removesuffix(">>"))
        return [one.strip() for one in completed]
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_until(terminal: int, end: str) -> str:
    text, deadline = "", time.monotonic() + DEADLINE_S
    while end not in text:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more after {text!r}"
        text += os.read(terminal, 4096).decode(errors="replace")
    return text[: text.index(end) + len(end)]


def _in_fish(lines: list[str], folder: Path) -> list[str]:
    """Ask fish for the completions of each word that ends in a tab; each is the only one."""
    completed = []
    for line in lines:
        whole = "strop "
        for part in line.split("\t")[:-1]:
            asked = f"{whole}{part}"
            code = "source script; complete -C $argv[1]"
            command = ["fish", "--no-config", "-c", code, asked]
            environment = {**os.environ, "HOME": str(folder)}
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=True, env=environment
            )
            found, *others = sorted({answer.split("\t")[0] for answer in done.stdout.splitlines()})
            assert others == [], f"{asked!r}: {found} {others}"
            whole = f"{asked.rpartition(' ')[0]} {found} "
        completed.append(whole.removeprefix("strop ").strip())
    return completed
