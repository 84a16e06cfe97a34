"""An example as people start it: a process that listens on the loopback interface."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.environments import ROOT

LIMIT_S = 60


@contextmanager
def listening(
    *arguments: object, says: str, variables: dict[str, str] | None = None
) -> Iterator[int]:
    """Start Python in examples/ until the block ends, and yield the port that it prints.

    It must stop at SIGTERM and print no traceback.

    Args:
        arguments: of Python.
        says: a regular expression of the line, on stdout or stderr, that has the port in a group.
        variables: additions to its environment.
    """
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT / "examples",
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    limit = threading.Timer(LIMIT_S, process.kill)
    limit.start()
    try:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(says, line):
                yield int(found[1])
                break
        process.send_signal(signal.SIGTERM)
        said = "".join(lines) + process.communicate(timeout=LIMIT_S)[0]
        assert found, said
        assert process.returncode in (0, -signal.SIGTERM), said
        assert "Traceback" not in said, said
    finally:
        limit.cancel()
        process.kill()
        process.wait()
