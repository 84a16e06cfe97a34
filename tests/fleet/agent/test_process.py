"""`strop agent` as a process: what systemd and people do with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from strop import cli
from strop.bundle.keys import make_pair
from strop.fleet.agent import loop
from strop.fleet.agent.agent import Outcome
from strop.fleet.agent.backoff import Backoff
from strop.fleet.reports.devices import read_devices
from strop.fleet.reports.lines import read_lines
from strop.fleet.reports.mqtt import parse_broker, retained
from strop.fleet.reports.report import read_line
from tests.fleet import brokers, liar
from tests.fleet.agent.place import Place, wrong
from tests.fleet.registries import kept_port
from tests.reliability import editions

LIMIT_S = 60


def settings(place: Place, tmp_path: Path, host: str = "", healthy: str = "true") -> str:
    """Write the settings of a device that polls once an hour."""
    path, key = tmp_path / "agent.toml", tmp_path / "device.key"
    if not key.exists():
        public = make_pair(str(key), "camera-7")
        (tmp_path / "devices").write_text(public.line.decode("ascii"))
    values = {
        "repository": f"{host or place.running.host}/{place.repository}",
        "channel": "stable",
        "root": str(place.root),
        "device": "camera-7",
        "key": "device.key",
        "folder": "models",
        "state": "agent",
        "healthy": [healthy],
        "poll_s": 3600,
        "report_file": "reports/camera-7.jsonl",
    }
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return str(path)


class Systemd:
    """A socket in the place of systemd's, and the process that it started."""

    def __init__(self, channel: socket.socket, process: subprocess.Popen[str]) -> None:
        self._channel, self.process = channel, process

    def hears(self, wanted: str) -> None:
        """Wait for a state that begins so."""
        while not self._channel.recv(4096).decode().startswith(wanted):
            pass


@contextlib.contextmanager
def started(path: str, tmp_path: Path) -> Iterator[Systemd]:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(LIMIT_S)
        process = subprocess.Popen(
            [sys.executable, "-m", "strop", "agent", path],
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Systemd(channel, process)
        finally:
            process.kill()
            process.communicate()


def test_it_says_what_it_does_and_obeys_signals(place: Place, tmp_path: Path) -> None:
    place.publish(editions.content(1))
    path = settings(place, tmp_path)
    with started(path, tmp_path) as systemd:
        systemd.hears("READY=1")
        systemd.hears("STATUS=healthy")
        assert editions.current(tmp_path / "models", (1, 2)) == 1
        place.publish(editions.content(2))
        systemd.process.send_signal(signal.SIGHUP)
        systemd.hears("STATUS=healthy")
        assert editions.current(tmp_path / "models", (1, 2)) == 2
        systemd.process.send_signal(signal.SIGTERM)
        systemd.hears("STOPPING=1")
        assert systemd.process.wait(LIMIT_S) == 0
        assert systemd.process.stderr
        log = [json.loads(line) for line in systemd.process.stderr]
    events = [line["event"] for line in log]
    assert events[0] == "started"
    assert events[-1] == "stopped"
    assert events.count("installed") == events.count("healthy") == 2
    devices = read_devices(str(tmp_path / "devices"))
    reports = [read_line(line, devices) for line in read_lines(str(tmp_path / "reports" / "*"))]
    assert [(report.model_version, report.state) for report in reports] == [
        (1, "healthy"),
        (2, "healthy"),
    ]


@pytest.mark.parametrize("where", ["a pull", "a health check"])
def test_it_ends_at_once_wherever_it_is(place: Place, tmp_path: Path, where: str) -> None:
    place.publish(editions.content(1))
    asked = tmp_path / "asked"
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\ntouch {asked}\nsleep 1000\n")
    slow.chmod(0o755)
    with liar.before(place.running.host) as lying:
        if where == "a pull":
            lying.lie("/blobs/", liar.stall(3))
        path = settings(place, tmp_path, lying.host, str(slow))
        with started(path, tmp_path) as systemd:
            end_s = time.monotonic() + LIMIT_S
            while time.monotonic() < end_s:
                pulls = any("/blobs/" in line for _, line, _ in lying.asked)
                if pulls if where == "a pull" else asked.exists():
                    break
                time.sleep(0.02)
            else:
                pytest.fail(f"it never came to {where}")
            begun_s = time.monotonic()
            systemd.process.send_signal(signal.SIGTERM)
            assert systemd.process.wait(LIMIT_S) == 0
            assert time.monotonic() - begun_s < 15  # a stalled read would take 30 s


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_ends_although_python_drops_what_the_signal_raises() -> None:
    class Dropping:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    class Agent:
        steps = 0

        def step(self) -> Outcome:
            self.steps += 1
            assert self.steps == 1 or pytest.fail("it goes on")
            Dropping()
            return Outcome("healthy", "", could_not=False)

    loop.run(cast("Any", Agent()), Backoff(3600))


def test_a_second_agent_is_refused(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.publish(editions.content(1))
    path = settings(place, tmp_path)
    with loop.alone(str(tmp_path / "agent")):
        for option in ("--once", "--forget"):
            assert cli.main(["agent", path, option]) == 2
            said = capsys.readouterr().err
            assert "another agent works in" in said
            assert str(os.getpid()) in said
    assert not (tmp_path / "models").exists()


def once(path: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "strop", "agent", path, *options],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout


def test_once_and_forget(place: Place, tmp_path: Path) -> None:
    path = settings(place, tmp_path)
    assert once(path, "--once")[0] == 2  # there is no such channel yet
    place.publish(editions.content(1))
    assert once(path, "--once") == (0, "healthy\n")
    assert once(path, "--forget") == (0, "no release has failed here: nothing to forget\n")
    place.publish(wrong(2))
    for _ in range(2):
        status, said = once(path, "--once", "--json")
        found = json.loads(said)
        assert (status, found["state"], found["could_not"]) == (1, "refused", False)
        assert "is refused" in found["problem"]
    status, said = once(path, "--forget", "--json")
    assert (status, json.loads(said)["forgotten"]["state"]) == (0, "refused")
    assert editions.current(tmp_path / "models", (1, 2)) == 1


def test_a_report_reaches_the_broker_once_it_is_there(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broker that is away costs a report, and no release."""
    place.publish(editions.content(1))
    path = Path(settings(place, tmp_path))
    with kept_port() as port:
        url = f"mqtt://127.0.0.1:{port}/shop/reports"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"mqtt = {json.dumps(url)}\n")
        assert cli.main(["agent", str(path), "--once"]) == 2
        assert editions.current(tmp_path / "models", (1, 2)) == 1
        assert "not reported" in capsys.readouterr().err
        with brokers.listening(tmp_path / "broker", port, "allow_anonymous true") as mosquitto:
            assert mosquitto.url == url
            assert cli.main(["agent", str(path), "--once"]) == 0
            devices = read_devices(str(tmp_path / "devices"))
            (line,) = retained(parse_broker(url), len(devices))
    report = read_line(line, devices)
    assert (report.device, report.state, report.current) == (
        "camera-7",
        "healthy",
        editions.name(1),
    )
