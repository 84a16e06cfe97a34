"""`python -m tests [PYTEST ARGUMENTS]`: all tests, as many at a time as there are cores.

Tests marked `alone`, which measure time or fill the cores by themselves, follow one by one. With -m
pytest runs only once.

Exit status: 0 all tests passed; else the status of the first of the two runs that failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from tests.environments import ROOT

ALONE = "alone"
INTERRUPTED, NONE_RAN = 2, 5  # pytest's statuses: ^C, and nothing selected


def main(arguments: Sequence[str]) -> int:
    """Run pytest twice, and return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # pytest handles ^C (see conftest.py)
    if any(argument.startswith("-m") for argument in arguments):  # the user's marks
        return _pytest(*arguments)
    cores = len(os.sched_getaffinity(0))
    # By file: a module's shared fixtures are made once.
    side_by_side = ("-n", str(cores), "--dist", "loadfile", "-m", f"not {ALONE}")
    first = _pytest(*side_by_side, *arguments)
    if first == INTERRUPTED:
        return first
    second = _pytest("-m", ALONE, *arguments)
    ran = [status for status in (first, second) if status != NONE_RAN]
    return next((status for status in ran if status), 0 if ran else NONE_RAN)


def _pytest(*arguments: str) -> int:
    command = (sys.executable, "-m", "pytest", *arguments)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
