"""Native code's lines on a command's stderr: notes are left out, all else is seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Exported


def _run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(given, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (b"INFO: all is well\n", ""),
        (
            b"ERROR: no\nINFO: all is well\nWARNING: it is late\n",
            "ERROR: no\nWARNING: it is late\n",
        ),
        (b"INFO: all is well\nhalf a line", "half a line"),
        (b"an INFO: inside\n", "an INFO: inside\n"),
        (b"INFO: x\n" * 10_000 + b"the end\n", "the end\n"),
    ],
)
def test_notes_are_left_out(written: bytes, seen: str) -> None:
    done = _run(
        "import os, sys\n"
        "from strop.commands.quiet import without_notes\n"
        "with without_notes():\n"
        f"    os.write(2, {written!r})\n"
        "print('after', file=sys.stderr)\n"
    )
    assert (done.returncode, done.stderr) == (0, f"{seen}after\n")


def test_the_last_words_of_a_crash_are_seen() -> None:
    done = _run(
        "import os\n"
        "from strop.commands.quiet import without_notes\n"
        "with without_notes():\n"
        "    os.write(2, b'INFO: all is well\\nterminate called\\n')\n"
        "    os.abort()\n"
    )
    assert (done.returncode, done.stderr) == (-6, "terminate called\n")


def test_notes_on_a_stdout_that_goes_to_stderr_are_left_out() -> None:
    done = _run(
        "import os, sys\n"
        "from strop.cli import _keep_stdout_ours\n"
        "from strop.commands.quiet import without_notes\n"
        "_keep_stdout_ours()\n"
        "with without_notes():\n"
        "    os.write(1, b'INFO: all is well\\nERROR: no\\n')\n"
        "    print('result')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "result\n", "ERROR: no\n")


def test_without_another_process_all_is_shown() -> None:
    done = _run(
        "import errno, os\n"
        "def refuse():\n"
        "    raise BlockingIOError(errno.EAGAIN, 'no process is left')\n"
        "os.fork = refuse\n"
        "from strop.commands.quiet import without_notes\n"
        "with without_notes():\n"
        "    os.write(2, b'INFO: all is well\\n')\n"
    )
    assert (done.returncode, done.stderr) == (0, "INFO: all is well\n")


def test_a_process_that_keeps_stderr_delays_no_command() -> None:
    program = (
        "import subprocess, sys\n"
        "from strop.commands.quiet import without_notes\n"
        "with without_notes():\n"
        "    subprocess.Popen(['sleep', '45'], stdout=subprocess.DEVNULL)\n"
    )
    subprocess.run([sys.executable, "-c", program], timeout=30, check=True)


def test_no_command_shows_litert_s(edge: Exported, tmp_path: Path) -> None:
    samples = tmp_path / "samples.npy"
    np.save(samples, edge.evaluation()["inputs"][:1])
    done = _run(
        "import sys\nfrom strop.cli import main\nsys.exit(main())",
        *("run", edge.bundle("cpu"), samples, "--engine", "litert"),
    )
    assert done.returncode == 0
    assert done.stderr.startswith("<strop.Model")
    assert "INFO" not in done.stderr
