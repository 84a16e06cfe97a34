"""Native code's lines on a command's stderr: notes are left out, all else is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Exported

# `children` names the process that passes the lines on, once it is there.
_CHILDREN = """
import os, signal, sys, threading
from strop.commands.quiet import without_notes

fork, children = os.fork, []

def recorded():
    children.append(fork())
    return children[0]

os.fork = recorded
"""


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


def test_what_a_command_prints_comes_behind_what_native_code_wrote() -> None:
    done = _run(
        f"{_CHILDREN}"
        "from strop.commands.terminal import print_note\n"
        "with without_notes():\n"
        "    os.kill(children[0], signal.SIGSTOP)\n"  # it comes late, as on a busy machine
        "    threading.Timer(1, os.kill, (children[0], signal.SIGCONT)).start()\n"
        "    for piece in (b'ERROR: ', b'no', b'\\n', b'INFO: half a note'):\n"
        "        os.write(2, piece)\n"
        "    print_note('ours')\n"
        "    os.write(2, b', ended\\n')\n"
    )
    assert (done.returncode, done.stderr) == (0, "ERROR: no\nours\n")


def test_what_a_command_prints_is_seen_without_the_process_too() -> None:
    done = _run(
        f"{_CHILDREN}"
        "from strop.commands.terminal import print_note\n"
        "with without_notes():\n"
        "    os.kill(children[0], signal.SIGKILL)\n"
        "    print_note('first')\n"
        "    print_note('second')\n"
        "print_note('third')\n"
    )
    assert (done.returncode, done.stderr) == (0, "first\nsecond\nthird\n")


def test_a_step_of_progress_uncovers_no_note() -> None:
    done = _run(
        f"{_CHILDREN}"
        "from strop.commands.terminal import _write_stderr\n"
        "with without_notes():\n"
        "    for number in range(100):\n"
        "        _write_stderr(f'\\r{number}')\n"
        "        os.write(2, b'INFO: all is well\\n')\n"
    )
    assert done.stderr == "".join(f"\r{number}" for number in range(100)).replace("\r", "\n")


def test_the_last_lines_come_before_what_is_printed_after_it() -> None:
    done = _run(
        f"{_CHILDREN}"
        "with without_notes():\n"
        "    os.kill(children[0], signal.SIGSTOP)\n"  # as on a busy machine
        "    os.write(2, b'ERROR: no\\n')\n"
        "    threading.Timer(2, os.kill, (children[0], signal.SIGCONT)).start()\n"
        "print('after', file=sys.stderr)\n"
    )
    assert (done.returncode, done.stderr) == (0, "ERROR: no\nafter\n")


def test_what_goes_to_stdout_comes_behind_what_went_to_stderr() -> None:
    program = (
        f"{_CHILDREN}"
        "from strop.commands.terminal import print_line, print_note\n"
        "with without_notes():\n"
        "    os.kill(children[0], signal.SIGSTOP)\n"  # as on a busy machine
        "    threading.Timer(1, os.kill, (children[0], signal.SIGCONT)).start()\n"
        "    print_note('first')\n"
        "    print_line('second')\n"
        "    print_line('third')\n"
        "    os.write(2, b'half a line')\n"
        "    print_note(', ended')\n"
        "    print_line('last')\n"
    )
    given = [sys.executable, "-c", program]
    out = subprocess.PIPE
    done = subprocess.run(given, stdout=out, stderr=subprocess.STDOUT, timeout=60, check=True)
    assert done.stdout == b"first\nsecond\nthird\nhalf a line, ended\nlast\n"


def test_python_s_stderr_is_still_the_terminal() -> None:
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 77))
    program = (
        "import os, sys\n"
        "from strop.commands.quiet import without_notes\n"
        "with without_notes():\n"
        "    tty = sys.stderr.isatty(), os.get_terminal_size(sys.stderr.fileno()).columns\n"
        "print(*tty)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=True,
    )
    for end in (ours, theirs):
        os.close(end)
    assert done.stdout == b"True 77\n"


def test_a_stderr_that_cannot_be_written_changes_no_exit_status() -> None:
    program = (
        "import sys\n"
        "from strop.commands.quiet import without_notes\n"
        "from strop.commands.terminal import print_note\n"
        "with without_notes():\n"
        "    for _ in range(1000):\n"
        "        print_note('lost')\n"
        "sys.exit(3)\n"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", program], stderr=full, timeout=60, check=False)
    assert done.returncode == 3


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
