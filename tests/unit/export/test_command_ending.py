"""How `strop-export` ends where nobody reads it, where it cannot write, and on ^C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = pytest.mark.parametrize(
    "asked",
    [
        ["--list-targets"],
        ["explain", "none.strop", "--json"],
        ["evaluate", "none.strop", "none.parquet", "--json"],
    ],
    ids=lambda asked: asked[0],
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
        done = run(["-m", "strop_export", *asked], stdout=writer)
    finally:
        os.close(writer)
    assert done == (141, "")


@COMMANDS
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_an_output_that_cannot_be_written_is_one_line(asked: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        status, said = run(["-m", "strop_export", *asked], stdout=full.fileno())
    assert status == 2
    assert said.endswith(": cannot write the output: No space left on device\n")
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
