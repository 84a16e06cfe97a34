"""The rounds: all servers run, and one at a time is loaded."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import strop
from benchmarks.environments import Environments
from benchmarks.files import NotMeasurable
from benchmarks.peers import Absent
from benchmarks.results import STROP
from benchmarks.serving import load, processes
from benchmarks.serving.servers import EQUAL, Place, Server, free_port, running
from benchmarks.serving.wires import Answer, Image, Wire
from strop.bundle.open import open_bundle

_WARM = 200  # requests
_TOLERANCE = 1e-6
_ENGINE, _PRECISION = "onnx", "float32"  # of `EQUAL`; the format has the engine's name


class Plan(NamedTuple):
    """How long to measure."""

    rounds: int
    requests: int  # of one payload in a round
    quick: bool


QUICK = Plan(4, 500, True)
FULL = Plan(15, 4000, False)


@dataclass(frozen=True)
class Row:
    """The figures of one server and payload in one round."""

    subject: str
    kind: str
    payload: str
    round: int
    per_s: float
    p50_us: float
    p99_us: float
    cpu_us: float  # of all the server's processes, for a request
    sent: int
    wrong: int
    lost: int


@dataclass(frozen=True)
class Memory:
    """The memory of a server's processes: after the warm-up, and after the last round."""

    subject: str
    before_mib: float
    after_mib: float


class Measured(NamedTuple):
    """All rows, and why servers are absent."""

    rows: list[Row]
    memory: list[Memory]
    absent: dict[str, str]


class _Subject(NamedTuple):
    server: Server
    session: int
    port: int
    exchanges: Mapping[str, Sequence[load.Exchange]]

    def load(self, payload: str, requests: int) -> load.Load:
        wire = self.server.wires[payload]
        url = f"http://127.0.0.1:{self.port}{wire.path}"
        return load.run(url, wire.headers, self.exchanges[payload], requests)


def measure(
    chosen: Sequence[Server],
    environments: Environments,
    bundle: Path,
    images: NDArray[np.uint8],
    folder: Path,
    plan: Plan,
    say: Callable[[str], None],
) -> Measured:
    """Start the servers, and load each in turn, round after round.

    The order moves on by one from round to round. A server that is not loaded uses no CPU worth
    mentioning.

    Args:
        chosen: the servers.
        environments: their interpreters.
        bundle: what Strop serves; the others serve an ONNX file of it.
        images: (N, 28, 28), N up to 100.
        folder: for what the servers read and write.
        plan: how long to measure.
        say: called with a line before each step.

    Raises:
        NotMeasurable: the bundle has no such file; or a server does not start, or gives another
            answer than the model in this process.
        StropError: the bundle is damaged.
    """
    model = _unpacked(bundle, folder)
    result = Measured([], [], {})
    with ExitStack() as stack:
        subjects = []
        for server in chosen:
            say(f"start {server.name}")
            place = Place(bundle, model, folder / server.name.replace(" ", "-"), free_port())
            place.folder.mkdir(parents=True)
            try:
                session = stack.enter_context(running(server, environments, place))
            except Absent as absent:
                result.absent[server.name] = str(absent)
                continue
            exchanges = _exchanges(server, place.port, images, _expected(server, bundle, images))
            subjects.append(_Subject(server, session, place.port, exchanges))
        for subject in subjects:
            for payload in subject.server.wires:
                subject.load(payload, _WARM)
        before = {it.server.name: processes.memory_mib(it.session) for it in subjects}
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            first = number % len(subjects) if subjects else 0
            for subject in (*subjects[first:], *subjects[:first]):
                result.rows.extend(
                    _row(subject, payload, number, plan.requests)
                    for payload in subject.server.wires
                )
        for subject in subjects:
            name = subject.server.name
            after = processes.memory_mib(subject.session)
            result.memory.append(Memory(name, round(before[name], 1), round(after, 1)))
    return result


def _unpacked(path: Path, folder: Path) -> Path:
    """Write the file that `EQUAL` and the peers run, and return its path."""
    bundle = open_bundle(path)
    for variant in bundle.manifest.variants:
        if (variant.format, variant.precision) == (_ENGINE, _PRECISION):
            file = folder / "model.onnx"
            file.write_bytes(bundle.read(variant))
            return file
    raise NotMeasurable(f"{path.name} has no {_ENGINE} file of precision {_PRECISION}")


def _row(subject: _Subject, payload: str, number: int, requests: int) -> Row:
    began_s = processes.cpu_s(subject.session)
    done = subject.load(payload, requests)
    used_s = processes.cpu_s(subject.session) - began_s
    return Row(
        subject.server.name,
        subject.server.kind,
        payload,
        number,
        round(done.per_s, 1),
        done.p50_us,
        done.p99_us,
        round(used_s / done.sent * 1e6, 1),
        done.sent,
        done.wrong,
        done.lost,
    )


def _expected(server: Server, bundle: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the answers of the model in this process: the peers run the file of `EQUAL`."""
    equal = server.name == EQUAL or server.kind != STROP
    engine, precision = (_ENGINE, _PRECISION) if equal else (None, None)
    with strop.load(bundle, engine=engine, precision=precision) as model:
        answers: NDArray[np.float32] = np.concatenate(
            [model.predict(image[None]) for image in images]
        )
        return answers


def _exchanges(
    server: Server, port: int, images: NDArray[np.uint8], expected: NDArray[np.float32]
) -> dict[str, list[load.Exchange]]:
    """Ask for each image once, and check the answers: the load expects these very bytes."""
    found = {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for payload, wire in server.wires.items():
        found[payload] = [
            _asked(server.name, connection, wire, image, number, right)
            for number, (image, right) in enumerate(zip(images, expected, strict=True))
        ]
    connection.close()
    return found


def _asked(
    name: str,
    connection: http.client.HTTPConnection,
    wire: Wire,
    image: Image,
    number: int,
    right: Answer,
) -> load.Exchange:
    request = wire.request(image, number)
    connection.request("POST", wire.path, request, dict(wire.headers))
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise NotMeasurable(f"{name} answers {response.status}: {body[:200]!r}")
    if not np.allclose(wire.answer(body), right, rtol=0, atol=_TOLERANCE):
        raise NotMeasurable(f"{name} gives another answer than Strop for image {number}")
    return load.Exchange(request, body)
