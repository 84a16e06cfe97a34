"""Sends requests with wrk and checks every answer."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.files import NotMeasurable

CONNECTIONS = 8
_SCRIPT = Path(__file__).with_name("load.lua")


class Exchange(NamedTuple):
    """The body of a request, and that of its only right answer."""

    request: bytes
    answer: bytes


class Load(NamedTuple):
    """The figures of a load.

    Attributes:
        sent: requests.
        answered: answers, right or wrong.
        wrong: answers of another status than 200, or with another body.
        seconds: from the first request to the last answer.
        p50_us: the median of the times from a request to its answer.
        p99_us: the 99th percentile.
    """

    sent: int
    answered: int
    wrong: int
    seconds: float
    p50_us: float
    p99_us: float

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return self.sent - self.answered

    @property
    def per_s(self) -> float:
        """Answers in a second."""
        return self.answered / self.seconds


def run(
    url: str,
    headers: Mapping[str, str],
    exchanges: Sequence[Exchange],
    requests: int,
    *,
    connections: int = CONNECTIONS,
    limit_s: int = 300,
) -> Load:
    """Send requests over several connections, each as soon as the one before is answered.

    Args:
        url: where to POST them.
        headers: of each request.
        exchanges: the requests, which each connection sends in turn from a place of its own.
        requests: how many to send in all; each connection sends its share, rounded up.
        connections: how many are open.
        limit_s: seconds after which requests that have no answer are lost.

    Raises:
        NotMeasurable: there is no wrk, or it fails.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise NotMeasurable("there is no wrk: on Debian, apt install wrk")
    with tempfile.TemporaryDirectory(prefix="strop-load-") as name:
        folder = Path(name)
        for number, exchange in enumerate(exchanges):
            (folder / f"{number}.request").write_bytes(exchange.request)
            (folder / f"{number}.answer").write_bytes(exchange.answer)
        command = [wrk, f"-t{connections}", f"-c{connections}", f"-d{limit_s}s", "-s", str(_SCRIPT)]
        for key, value in headers.items():
            command += ["-H", f"{key}: {value}"]
        share = -(-requests // connections)
        command += [url, "--", str(folder), str(len(exchanges)), str(share)]
        return _figures(command, connections)


def _end(process: subprocess.Popen[str]) -> None:
    """End wrk, which sleeps to the end of its time; a signal before that sleep would be lost."""
    while True:
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        else:
            return


def _figures(command: Sequence[str], connections: int) -> Load:
    """Run wrk until all its threads have finished, or its time is over."""
    said: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def watch() -> None:
            finished = 0
            for line in process.stderr or ():
                if line.strip() != "finished":
                    said.append(line.strip())
                    continue
                finished += 1
                if finished == connections:
                    _end(process)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            output = process.stdout.read() if process.stdout else ""
        except BaseException:
            process.kill()
            raise
        watcher.join()
    for line in output.splitlines():
        if line.startswith("{"):
            return Load(**json.loads(line))
    raise NotMeasurable(f"wrk failed: {' '.join(said or output.splitlines()[-1:])}")
