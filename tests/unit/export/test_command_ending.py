"""How `strop-export` ends where nobody reads it, where it cannot write, and on ^C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Shows a line of progress as an export does, then ends.
_EXPORT = """
import sys
from strop_export import command, exporting

def run(request, show):
    show("step 1 of 7: reading the model")
    raise SystemExit("it went on")

exporting.run = run
sys.exit(command.main(["m.keras", "--calibration", "c.npz"]))
"""
COMMANDS = pytest.mark.parametrize(
    "asked",
    [
        ["-m", "strop_export", "--list-targets"],
        ["-m", "strop_export", "explain", "none.strop", "--json"],
        ["-m", "strop_export", "evaluate", "none.strop", "none.parquet", "--json"],
        ["-c", _EXPORT],
        ["-m", "strop_export", "--help"],
        ["-m", "strop_export", "evaluate", "--help"],
    ],
    ids=["list", "explain", "evaluate", "export", "help", "help of evaluate"],
)
# Stops the import of a module as ^C at that moment does.
_STOP = """
import sys

class Stop:
    def find_spec(self, name, path, target=None):
        if name == "strop_export.command":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Stop())
from strop_export.__main__ import main
sys.exit(main(["--list-targets"]))
"""


@COMMANDS
def test_a_reader_that_has_gone_is_no_traceback(asked: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(asked, stdout=writer)
    finally:
        os.close(writer)
    assert done == (141, "")


@COMMANDS
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_an_output_that_cannot_be_written_is_one_line(asked: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        status, said = run(asked, stdout=full.fileno())
    assert status == 2
    assert said.endswith(": cannot write the output: No space left on device\n")
    assert said.count("\n") == 1


def test_a_closed_output_is_as_good_as_any() -> None:
    command = [sys.executable, "-m", "strop_export", "--list-targets"]
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_names_outside_the_terminals_alphabet_are_escaped(tmp_path: Path) -> None:
    model = tmp_path / "caf\u00e9.strop"
    done = subprocess.run(
        [sys.executable, "-m", "strop_export", "explain", model, "--json"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("asked", [["evaluate", "a.strop"], ["explain"], ["explain", "a", "--no"]])
def test_a_request_that_cannot_be_read_is_one_line(asked: list[str]) -> None:
    status, said = run(["-m", "strop_export", *asked], stdout=subprocess.DEVNULL)
    assert status == 2
    assert said.startswith("strop-export: ")
    assert said.endswith(f"; see strop-export {asked[0]} --help\n")
    assert said.count("\n") == 1


def test_it_is_stopped_while_its_libraries_are_imported() -> None:
    assert run(["-c", _STOP], stdout=subprocess.DEVNULL) == (130, "strop-export: stopped\n")


def run(arguments: list[str], stdout: int) -> tuple[int, str]:
    """Run Python; return the exit status and what is on stderr."""
    done = subprocess.run(
        [sys.executable, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr
