"""The systemd unit of `strop serve`: systemd takes it, and the server behaves as it expects."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.environments import run
from tests.examples.conftest import EXAMPLES

UNIT = EXAMPLES / "strop-serve.service"
FOLDER = "/var/lib/strop/digits"
LIMIT_S = 60


def commands(name: str) -> list[list[str]]:
    """Return the words of each command of a setting."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [shlex.split(line.partition("=")[2]) for line in lines if line.startswith(f"{name}=")]


def test_its_commands_check_serve_say_ready_and_stop(bundle: Path, tmp_path: Path) -> None:
    """It runs what the unit runs, with a free port and a socket in the place of systemd's."""
    run(sys.executable, "-m", "strop", "install", bundle, "--into", tmp_path / "digits")

    def ours(words: list[str]) -> list[str]:
        assert words[0] == "/opt/strop/bin/strop"
        known = {FOLDER: str(tmp_path / "digits"), "8000": "0"}
        return [sys.executable, "-m", "strop", *(known.get(word, word) for word in words[1:])]

    (check,), (serve,) = commands("ExecStartPre"), commands("ExecStart")
    run(*ours(check))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(LIMIT_S)
        server = subprocess.Popen(
            ours(serve),
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert systemd.recv(100) == b"READY=1"
            assert server.stdout
            address = server.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{address}/v2/health/ready") as reply:
                assert reply.status == 200
            server.send_signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            assert server.wait(LIMIT_S) == 0
        finally:
            server.kill()
            server.communicate()
