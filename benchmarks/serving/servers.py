"""The servers: how each is started, and what it takes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.environments import Environments
from benchmarks.files import CACHE, ROOT, NotMeasurable
from benchmarks.results import LIMIT, PEER, STROP
from benchmarks.serving import processes, wires
from benchmarks.serving.apps import MODEL
from benchmarks.serving.wires import BYTES, JSON, Wire

EQUAL = "Strop onnx float32"  # the same work as the peers
_APPS = Path(__file__).parent / "apps"
_START_S, _STOP_S = 90, 10
_SETTINGS = {
    "BENTOML_DO_NOT_TRACK": "True",
    "PYTHONUNBUFFERED": "1",
}


class Place(NamedTuple):
    """The files, folder and port of a server.

    Attributes:
        bundle: the bundle.
        model: the ONNX file in it.
        folder: an empty folder, for what a server writes.
        port: on loopback.
    """

    bundle: Path
    model: Path
    folder: Path
    port: int


class Server(NamedTuple):
    """A server to measure; `command` follows the path of its environment's interpreter."""

    name: str
    kind: str  # STROP, PEER or LIMIT
    environment: str
    command: Callable[[Place], list[str]]
    wires: Mapping[str, Wire]


def servers(model: str) -> list[Server]:
    """Return the servers, in the order in which results are shown.

    Args:
        model: the name in the bundle.
    """
    v2 = {JSON: wires.v2_json(model), BYTES: wires.v2_bytes(model)}
    plain = {JSON: wires.PLAIN_JSON, BYTES: wires.PLAIN_BYTES}
    app = "benchmarks.serving.apps"

    def strop(*options: str) -> Callable[[Place], list[str]]:
        return lambda it: [
            *("-m", "strop", "serve", str(it.bundle), "--port", str(it.port), *options)
        ]

    def mlserver(it: Place) -> list[str]:
        return ["-m", "mlserver.cli.main", "start", str(_APPS / "mlserver_model")]

    return [
        Server(EQUAL, STROP, "strop", strop("--engine", "onnx", "--precision", "float32"), v2),
        Server("Strop as it chooses", STROP, "strop", strop(), v2),
        Server(
            "LitServe",
            PEER,
            "serving",
            lambda it: ["-m", f"{app}.litserve_app", str(it.port)],
            plain,
        ),
        Server(
            "BentoML",
            PEER,
            "serving",
            lambda it: [
                *("-m", "bentoml", "serve", f"{app}.bentoml_app:Digits"),
                *("--host", "127.0.0.1", "--port", str(it.port)),
            ],
            {JSON: wires.PLAIN_JSON, BYTES: wires.BASE64},
        ),
        Server(
            "MLServer",
            PEER,
            "serving",
            mlserver,
            {JSON: wires.v2_json("digits"), BYTES: wires.v2_base64("digits")},
        ),
        Server("MLServer's custom route", LIMIT, "serving", mlserver, {BYTES: wires.PLAIN_BYTES}),
        Server(
            "bare Starlette",
            LIMIT,
            "strop",
            lambda it: ["-m", f"{app}.starlette_app", str(it.port)],
            plain,
        ),
    ]


def installed(folder: Path) -> Environments:
    """Return where `strop serve` and the peers are installed.

    Args:
        folder: a folder for what they write.
    """
    python = CACHE / "serving" / "bin" / "python"
    absent = f"there is no {python}: make bench-serving makes it"
    pythons = {"strop": Path(sys.executable), "serving": python if python.exists() else absent}
    return Environments(pythons, ROOT / "runtime" / "src", folder)


@contextlib.contextmanager
def running(server: Server, environments: Environments, place: Place) -> Iterator[int]:
    """Run a server until the block ends.

    Args:
        server: the server.
        environments: where its interpreter is.
        place: what it serves, and where.

    Yields:
        The number of its session, which all its processes share.

    Raises:
        Absent: this machine has not its environment.
        NotMeasurable: it ends, or does not listen.
    """
    python = environments.python(server.environment)
    log = place.folder / "log"
    variables = {
        **environments.variables(),
        **_SETTINGS,
        MODEL: str(place.model),
        "BENTOML_HOME": str(place.folder),
        "MLSERVER_HTTP_PORT": str(place.port),
        "MLSERVER_GRPC_PORT": "0",
    }
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [str(python), *server.command(place)],
            cwd=place.folder,
            env=variables,
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as process,
    ):
        try:
            _await(server.name, process, place.port, log)
            yield process.pid
        finally:
            _stop(process)


def _await(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise NotMeasurable(f"{name} does not start: {lines[-1] if lines else 'it says nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it started: LitServe leaves its workers behind."""
    started = processes.members(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    for pid in {*started, *processes.members(process.pid)}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a port on loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
