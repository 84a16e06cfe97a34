"""Changes under load: an install, more requests than fit, and the end of the server."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests import bundles
from tests.environments import run
from tests.figures import Record
from tests.reliability import editions
from tests.serve.running import PATIENCE_S, Server, serving

CLIENTS = 8
VERSIONS = (1, 2, 3, 4)
DEADLINE_S = 1  # for a request to be admitted and run, ten times over the capacity


def _request(samples: Any) -> bytes:
    tensor = {"name": "image", "datatype": "UINT8", "shape": [*samples.shape]}
    tensor["data"] = samples.ravel().tolist()
    return json.dumps({"inputs": [tensor]}).encode()


class Answered(NamedTuple):
    """An answer to a client: its status, 0 if there was none, and what it says."""

    status: int
    content: Any
    took_s: float
    closes: bool  # whether the server said that the connection ends


def _ask_for_ever(server: Server, body: bytes, path: str, done: threading.Event) -> list[Answered]:
    """Ask until told to stop, or until the server refuses a new connection."""
    answered: list[Answered] = []
    connection: http.client.HTTPConnection | None = None
    while not done.is_set():
        began_s = time.monotonic()
        if connection is None:
            connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_S)
            try:
                connection.connect()
            except (ConnectionRefusedError, ConnectionResetError):  # no request was sent
                break
        try:
            connection.request("POST", path, body)
            with connection.getresponse() as response:
                content = json.loads(response.read())
                closes = response.getheader("connection") == "close"
                took_s = time.monotonic() - began_s
                answered.append(Answered(response.status, content, took_s, closes))
        except (OSError, http.client.HTTPException) as error:
            answered.append(Answered(0, repr(error), time.monotonic() - began_s, True))
        if answered[-1].closes:
            connection.close()
            connection = None
    return answered


def _version_of(answered: Answered) -> int | None:
    """The version whose answers these are; None if they are no version's, or not what it says."""
    if answered.status != 200:
        return None
    (output,) = answered.content["outputs"]
    given = np.array(output["data"], np.float32).reshape(output["shape"]).round(3).tobytes()
    said = int(answered.content["model_version"])
    return said if editions.answers(said) == given else None


def test_an_install_loses_no_request(tmp_path: Path, figure: Record) -> None:
    folder = tmp_path / "folder"
    editions.write(tmp_path, *VERSIONS)

    def install(version: int) -> None:
        run(
            sys.executable,
            "-m",
            "strop",
            "install",
            tmp_path / f"{version}.strop",
            "--into",
            folder,
        )

    install(1)
    done = threading.Event()
    body = _request(editions.SAMPLES)
    path = "/v2/models/shapes/infer"
    with serving(folder) as server, ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(_ask_for_ever, server, body, path, done) for _ in range(CLIENTS)]
        server.has_answered("shapes", 1)
        for version in VERSIONS[1:]:
            install(version)
            server.has_answered("shapes", version)
        done.set()
        stats = server.ask("GET", "/v2/models/shapes/stats").content["model_stats"]
        answers = [answer for one in asking for answer in one.result()]
    versions = [_version_of(answer) for answer in answers]
    failed = versions.count(None)
    figure("install under load", len(answers), failed, f"{len(VERSIONS)} versions")
    assert (failed, set(versions)) == (0, set(VERSIONS))
    assert [one["version"] for one in stats] == [str(version) for version in VERSIONS]


def test_what_is_installed_and_does_not_run_is_logged(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    editions.write(tmp_path, 1)
    run(sys.executable, "-m", "strop", "install", tmp_path / "1.strop", "--into", folder)
    with serving(folder) as server:
        (folder / "installed.json").write_text("{", encoding="ascii")
        line = server.logged("warning")
        assert (line["level"], "does not run" in line["message"]) == ("warning", True)


def test_loading_again_loses_no_request(tmp_path: Path, figure: Record) -> None:
    """Long calls wait for a thread while their model is loaded again."""
    path = tmp_path / "shapes.strop"
    path.write_bytes(bundles.image().pack())
    done = threading.Event()
    body, target = _request(np.zeros((2000, 4, 4), np.uint8)), "/v2/models/shapes/infer"
    with serving(path, "--repository-api") as server, ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(_ask_for_ever, server, body, target, done) for _ in range(CLIENTS)]
        for _ in range(20):
            reply = server.ask("POST", "/v2/repository/models/shapes/load", b"{}")
            assert reply.status == 200
        done.set()
        answers = [answer for one in asking for answer in one.result()]
    failed = sum(answer.status != 200 for answer in answers)
    figure("load again under load", len(answers), failed)
    assert answers
    assert not failed


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_a_stop_answers_all_in_flight(tmp_path: Path, how: signal.Signals, figure: Record) -> None:
    editions.write(tmp_path, 1)
    body, path = _request(editions.SAMPLES), "/v2/models/shapes/infer"
    with serving(tmp_path / "1.strop") as server, ThreadPoolExecutor(CLIENTS) as pool:
        never = threading.Event()
        asking = [pool.submit(_ask_for_ever, server, body, path, never) for _ in range(CLIENTS)]
        time.sleep(1)
        status = server.stop(how)
        answers = [answer for one in asking for answer in one.result()]
    failed = sum(_version_of(answer) != 1 for answer in answers)
    figure(how.name, len(answers), failed)
    assert (status, failed) == (0, 0), [one for one in answers if one.status != 200][:3]
    assert [line["event"] for line in server.log] == ["serving", "stopping", "stopped"]


def test_ten_times_the_capacity_gets_503(tmp_path: Path, figure: Record) -> None:
    """Ask with 80 clients at a server that admits eight, and waits a second at most."""
    wide = bundles.image()
    path = tmp_path / "shapes.strop"
    path.write_bytes(wide.pack())
    samples = np.zeros((2000, 4, 4), np.uint8)
    body, target = _request(samples), "/v2/models/shapes/infer"
    limits = ("--max-requests", 8, "--wait-timeout", DEADLINE_S)
    done = threading.Event()
    with serving(path, *limits) as server, ThreadPoolExecutor(80) as pool:
        asking = [pool.submit(_ask_for_ever, server, body, target, done) for _ in range(80)]
        time.sleep(4)
        done.set()
        answers = [answer for one in asking for answer in one.result()]
    refused = [answer for answer in answers if answer.status == 503]
    right = [answer for answer in answers if answer.status == 200]
    took_s = sorted(answer.took_s for answer in right)
    p99_ms = 1000 * took_s[len(took_s) * 99 // 100]
    failed = len(answers) - len(refused) - len(right)
    detail = f"{len(refused)} refused; p99 of the others {p99_ms:.0f} ms"
    figure("overload", len(answers), failed, detail)
    figure("overload: p99 within the deadline", 1, int(p99_ms > 1000 * DEADLINE_S))
    assert failed == 0
    assert refused
    assert right
