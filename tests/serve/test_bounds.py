"""Clients that take more than their share: of time, of memory, of places in the queue."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serve.running import PATIENCE_S, Server, read_from, read_reply, serving
from tests.serve.test_hostile import LENGTH, PATH

READ_S = 6  # a server waits so long for a client that must not be waited for
GROWTH_BYTES = 2**24  # of the server, over a flood
FLOOD_S = PATIENCE_S / 2  # less than the server waits
GET = b"GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SAMPLES = 200_000  # their answer in JSON is longer than what the system keeps for a connection


@pytest.fixture(scope="module")
def target(models: Path) -> Iterator[Server]:
    """A server of its own, which waits long: what it ends is not ended for the time it took."""
    with serving(models / "shapes.strop", "--read-timeout", int(PATIENCE_S)) as running:
        yield running


def _request(samples: int, *, binary: bool = False) -> tuple[bytes, dict[str, str]]:
    tensor = {
        "name": "image",
        "shape": [samples, 4, 4],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": samples * 16},
    }
    parameters = {"binary_data_output": binary}
    head = json.dumps({"inputs": [tensor], "parameters": parameters}).encode()
    return head + bytes(samples * 16), {LENGTH: str(len(head))}


def _is_cut_off(channel: socket.socket, first: bytes, more: bytes) -> bool:
    """Send the same bytes as fast as they go, and tell whether the server ends that."""
    channel.sendall(first)
    channel.settimeout(0.1)
    end_s = time.monotonic() + FLOOD_S
    while time.monotonic() < end_s:
        try:
            channel.send(more)
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


_CHUNKED = (
    b"POST /v2/repository/index HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (_CHUNKED + b"2\r\n{}\r\n0\r\n", b"x-many: 1\r\n" * 2**14),
        (_CHUNKED + b"2\r\n{}\r\n0\r\nx-long: ", b"y" * 2**18),
        (_CHUNKED + b"2;", b"y" * 2**18),
        (GET, GET * 2**13),
        (GET, b"\r\n" * 2**17),
    ],
    ids=["trailers", "a long trailer", "the extension of a chunk", "requests", "empty lines"],
)
def test_a_flood_is_cut_off(target: Server, first: bytes, more: bytes) -> None:
    before = target.memory_bytes()
    with target.connect() as channel:
        assert _is_cut_off(channel, first, more)
    assert target.memory_bytes() - before < GROWTH_BYTES
    assert target.ask("GET", "/v2").status == 200


def test_pipelined_requests_are_answered_in_turn(target: Server) -> None:
    padded = GET[:-2] + b"x-padding: " + b"y" * 1000 + b"\r\n\r\n"
    with target.connect() as channel, channel.makefile("rb") as file:
        channel.sendall(padded * 40 + padded[:500])
        assert [read_from(file).status for _ in range(40)] == [200] * 40
        channel.sendall(padded[500:])
        assert read_from(file).status == 200


def test_empty_lines_do_not_keep_a_connection_open(models: Path) -> None:
    shapes = models / "shapes.strop"
    with serving(shapes, "--read-timeout", READ_S) as server, server.connect() as channel:
        channel.sendall(GET)
        assert read_reply(channel).status == 200
        channel.sendall(b"\r\n")
        began_s = time.monotonic()
        assert channel.recv(1) == b""
        assert time.monotonic() - began_s < PATIENCE_S


def test_an_answer_may_not_be_too_long(target: Server) -> None:
    body, headers = _request(2**20 - 100)
    reply = target.ask("POST", PATH, body, headers)
    assert (reply.status, "fewer samples" in reply.content["error"]) == (413, True)
    body, headers = _request(2**20 - 100, binary=True)
    reply = target.ask("POST", PATH, body, headers)
    assert (reply.status, len(reply.body) > 2**20 * 11) == (200, True)


def test_requests_that_wait_outlive_a_load(models: Path) -> None:
    load, unload = (f"/v2/repository/models/shapes/{what}" for what in ("load", "unload"))
    body, headers = _request(50_000, binary=True)  # it takes longer than a change of the model
    with serving(models / "shapes.strop", "--repository-api") as server:

        def ask(_: int) -> int:
            return server.ask("POST", PATH, body, headers).status

        with ThreadPoolExecutor(8) as pool:
            asked = pool.map(ask, range(80))
            loaded = [server.ask("POST", load, b"{}").status for _ in range(10)]
            assert {*asked} == {200}
        assert loaded == [200] * 10
        assert server.ask("POST", unload, b"{}").status == 200
        assert server.ask("POST", PATH, body, headers).status == 404


def test_an_upgrade_is_not_taken(target: Server) -> None:
    upgrade = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AA"}
    reply = target.ask("POST", PATH, b"{}", upgrade)
    assert (reply.status, "Upgrade" in reply.content["error"]) == (400, True)
    asked = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    reply = target.exchange(asked)
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert not [line for line in target.log if line["level"] == "warning"]
