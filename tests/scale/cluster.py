"""A Ray cluster of this machine alone, which evaluations connect to."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fleet.registries import kept_port
from tests.scale import processes

_READY = b"Ray runtime started"
_START_S, _END_S = 120.0, 1.0


@contextmanager
def running(cpus: int) -> Iterator[dict[str, str]]:
    """Start Ray, and stop it after a `with`.

    Args:
        cpus: how many it has.

    Yields:
        The variables with which a program finds it and is let in.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    mark = processes.mark()
    # Paths of sockets are short.
    with (
        kept_port() as port,
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder,
    ):
        command = (
            *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"),
            *(f"--port={port}", f"--num-cpus={cpus}", f"--temp-dir={folder}"),
            *("--include-dashboard=false", "--disable-usage-stats"),
        )
        log = Path(folder, "log")
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=file, env={**os.environ, **token, **mark}
            )
        try:
            _wait(process, log)
            yield {"RAY_ADDRESS": f"127.0.0.1:{port}", **token}
        finally:
            process.terminate()
            processes.kill_left(mark, _END_S)
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until Ray has started."""
    ends = time.monotonic() + _START_S
    while _READY not in (said := log.read_bytes()):
        text = said.decode("utf-8", "replace")
        assert process.poll() is None, f"Ray does not start: {text}"
        assert time.monotonic() < ends, f"Ray does not start in {_START_S:.0f} s: {text}"
        time.sleep(0.1)
