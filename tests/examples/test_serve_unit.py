"""The systemd unit of `strop serve`: systemd takes it, and the server behaves as it expects."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.environments import run
from tests.examples.conftest import EXAMPLES
from tests.needs import unavailable

UNIT = EXAMPLES / "strop-serve.service"
FOLDER = "/var/lib/strop/digits"
EXPOSURE = 12  # tenths, of 100; docs/recipes.md says it
LIMIT_S = 60


def commands(name: str) -> list[list[str]]:
    """Return the words of each command of a setting."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [shlex.split(line.partition("=")[2]) for line in lines if line.startswith(f"{name}=")]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program in the place of `strop`."""
    if shutil.which("systemd-analyze") is None:
        unavailable("no systemd-analyze on this machine", "apt install systemd")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "strop").symlink_to("/bin/true")
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/strop", str(tmp_path)), encoding="utf-8")
    return copy


def test_systemd_takes_the_unit(unit: Path) -> None:
    done = run("systemd-analyze", "verify", unit, env={**os.environ, "LC_ALL": "C"})
    assert done.stderr == ""


def test_the_sandbox_is_as_tight_as_the_page_says(unit: Path) -> None:
    command = ("systemd-analyze", "security", "--offline=true")
    run(*command, f"--threshold={EXPOSURE}", unit)
    assert run(*command, f"--threshold={EXPOSURE - 1}", unit, check=False).returncode == 1
    page = (EXAMPLES.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert f"{EXPOSURE / 10} of 10" in page


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
