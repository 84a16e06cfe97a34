"""The parent's side of `benchmarks.worker`: a process that may die or hang."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.files import ROOT
from benchmarks.peers import Absent


class WorkerLost(Exception):
    """The process died, or hung and was killed; the message says how."""


class Worker:
    """One process in its own session, so that compilers that it starts end with it.

    Args:
        python: the interpreter of the peers' environment.
        variables: the environment variables of the process.
        log: the file that gets its stderr.
    """

    def __init__(self, python: Path, *, variables: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [str(python), "-m", "benchmarks.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=ROOT,
                env=dict(variables),
                start_new_session=True,
                bufsize=0,
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process that was given pipes has none")
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._unread = b""

    def ask(self, within_s: float, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its reply.

        Args:
            within_s: seconds after which the process is ended.
            **request: `do`, the name of a method of `benchmarks.worker.Worker`, and its arguments.

        Raises:
            Absent: the peer cannot run here, or fails.
            WorkerLost: the process died, or took longer than `within_s` and was ended.
        """
        with contextlib.suppress(BrokenPipeError):  # its death is detected below
            self._requests.write(json.dumps(request).encode() + b"\n")
        reply: dict[str, Any] = json.loads(self._line(within_s))
        if "absent" in reply:
            raise Absent(reply["absent"])
        return reply

    def _line(self, within_s: float) -> bytes:
        source, until = self._replies.fileno(), monotonic() + within_s
        poll = select.poll()
        poll.register(source, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(max(0.0, until - monotonic()) * 1000):
                self.close()
                raise WorkerLost(f"it took over {within_s:g} s and was ended")
            part = os.read(source, 1 << 20)
            if not part:
                raise WorkerLost(self._last_words())
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)  # its end of the pipe closes a moment before it ends
        self.close()
        status = self._process.returncode
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"its process died ({how}): {(said or ['it said nothing'])[-1][:200]}"

    def close(self) -> None:
        """End the process and everything that it has started. It may be called again."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._requests.close()
        self._replies.close()
