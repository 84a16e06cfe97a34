"""The load on servers: every answer is checked, and what is wrong or lost is counted."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.environments import Environments
from benchmarks.files import NotMeasurable
from benchmarks.results import LIMIT, PEER, STROP
from benchmarks.serving import load, processes, report, wires
from benchmarks.serving.load import Exchange
from benchmarks.serving.measure import Measured, Memory, Plan, Row, measure
from benchmarks.serving.servers import Server, servers
from tests.conftest import Exported
from tests.environments import ROOT
from tests.needs import unavailable

EXCHANGES = [Exchange(b"%d" % number, b"answer %d" % number) for number in range(5)]


@pytest.fixture(autouse=True)
def _wrk() -> None:
    if shutil.which("wrk") is None:
        unavailable("there is no wrk", "apt install wrk")


@contextmanager
def _echo(fault: str = "", every: int = 10) -> Iterator[tuple[str, list[bytes]]]:
    """Answer each number as expected, but for a fault now and then."""
    received: list[bytes] = []
    guard = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with guard:
                received.append(body)
                faulty = bool(fault) and len(received) % every == 0
            if faulty and fault == "lost":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            answer = b"answer " + (b"of another" if faulty and fault == "body" else body)
            self.send_response(500 if faulty and fault == "status" else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TestLoad:
    def test_each_request_is_sent_once_and_answered(self) -> None:
        with _echo() as (url, received):
            done = load.run(url, {}, EXCHANGES, 100, connections=4, limit_s=60)
        assert (done.sent, done.answered, done.wrong, done.lost) == (100, 100, 0, 0)
        assert len(received) == 100
        assert {*received} == {exchange.request for exchange in EXCHANGES}
        assert 0 < done.p50_us <= done.p99_us
        assert done.per_s == pytest.approx(100 / done.seconds)

    @pytest.mark.parametrize("fault", ["body", "status"])
    def test_a_wrong_answer_is_counted(self, fault: str) -> None:
        with _echo(fault) as (url, _):
            done = load.run(url, {}, EXCHANGES, 100, connections=4, limit_s=60)
        assert (done.sent, done.wrong, done.lost) == (100, 10, 0)

    def test_a_lost_answer_is_counted(self) -> None:
        with _echo("lost") as (url, received):
            done = load.run(url, {}, EXCHANGES, 100, connections=4, limit_s=60)
        assert done.lost == len(received) // 10 > 0
        assert done.wrong == 0

    def test_a_right_answer_to_another_request_is_wrong(self) -> None:
        """Answers that went to the wrong client would all be in the set of right ones."""
        swapped = [
            Exchange(one.request, other.answer)
            for one, other in zip(EXCHANGES, EXCHANGES[1:] + EXCHANGES[:1], strict=True)
        ]
        with _echo() as (url, _):
            done = load.run(url, {}, swapped, 20, connections=2, limit_s=60)
        assert done.wrong == 20

    def test_where_nothing_listens_nothing_is_measured(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and does not listen
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
            with pytest.raises(NotMeasurable):
                load.run(url, {}, EXCHANGES, 8, connections=2, limit_s=1)


def test_processes_of_a_session_of_their_own_count(tmp_path: Path) -> None:
    """BentoML starts its workers so."""
    script = (
        "import subprocess, sys, time\n"
        "code = 'print(sum(range(3_000_000)), flush=True); import time; time.sleep(60)'\n"
        "subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            found = processes.members(process.pid)
            assert len(found) == 2
            assert processes.cpu_s(process.pid) > 0
            assert processes.memory_mib(process.pid) > 1
        finally:
            for pid in processes.members(process.pid):
                subprocess.run(["kill", str(pid)], check=True)


def _measure(
    chosen: Sequence[Server], edge: Exported, folder: Path, plan: Plan, said: list[str]
) -> Measured:
    environments = Environments(
        {"strop": Path(sys.executable), "serving": "there is none: make it"},
        ROOT / "runtime" / "src",
        folder,
    )
    images = edge.evaluation()["inputs"][:4]
    return measure(chosen, environments, edge.bundle("cpu"), images, folder, plan, said.append)


def test_strop_and_the_floor_are_measured(edge: Exported, tmp_path: Path) -> None:
    known = servers(edge.name)
    chosen = [it for it in known if it.environment == "strop" or it.name == "LitServe"]
    said: list[str] = []
    measured = _measure(chosen, edge, tmp_path, Plan(2, 40, True), said)
    assert measured.absent == {"LitServe": "there is none: make it"}
    assert {row.kind for row in measured.rows} == {STROP, LIMIT}
    assert len(measured.rows) == 3 * 2 * 2  # servers, payloads, rounds
    assert all((row.sent, row.wrong, row.lost) == (40, 0, 0) for row in measured.rows)
    assert all(row.after_mib > 1 for row in measured.memory)
    assert "round 2 of 2" in said


def test_a_server_with_another_answer_is_not_measured(edge: Exported, tmp_path: Path) -> None:
    ours = servers(edge.name)[0]
    wire = ours.wires[wires.JSON]
    negative = wire._replace(request=lambda image, number: wire.request(255 - image, number))
    wrong = ours._replace(wires={wires.JSON: negative})
    with pytest.raises(NotMeasurable, match="another answer"):
        _measure([wrong], edge, tmp_path, Plan(1, 8, True), [])


def test_a_server_that_does_not_start_says_why(edge: Exported, tmp_path: Path) -> None:
    broken = Server("Broken", PEER, "strop", lambda _: ["-c", "raise SystemExit('no luck')"], {})
    with pytest.raises(NotMeasurable, match="Broken does not start: no luck"):
        _measure([broken], edge, tmp_path, Plan(1, 8, True), [])


def _row(subject: str, kind: str, number: int, per_s: float) -> Row:
    return Row(subject, kind, "json", number, per_s, 1.0, 2.0, 3.0, 8, 0, 0)


def test_the_ratio_is_the_median_over_the_rounds_to_the_best_peer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        *(_row("ours", STROP, number, rate) for number, rate in enumerate([200, 400, 900])),
        *(_row("slow", PEER, number, 10) for number in range(3)),
        *(_row("fast", PEER, number, rate) for number, rate in enumerate([100, 100, 300])),
        *(_row("floor", LIMIT, number, 10_000) for number in range(3)),
    ]
    (ratio,) = report.ratios(rows)
    assert (ratio.name, ratio.against) == ("ours, json", "fast")
    assert ratio.median == pytest.approx(3)
    names = ("ours", "slow", "fast", "floor")
    measured = Measured(rows, [Memory(name, 1, 2) for name in names], {"gone": "no wheel"})
    report.write(tmp_path / "out.json", {}, measured)
    assert '"against": "fast"' in (tmp_path / "out.json").read_text(encoding="utf-8")
    report.show(measured)
    printed = capsys.readouterr().out
    assert "3.00 of fast" in printed
    assert "not here: gone: no wheel" in printed
