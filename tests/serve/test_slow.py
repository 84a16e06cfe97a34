"""Slow clients: those that stop sending or reading are closed in time, and leave nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.serve.running import PATIENCE_S, Server, read_from, serving
from tests.serve.test_hostile import BODY, LENGTH, head, still_answers

READ_S = 6  # the server waits so long for a request; longer than a busy machine pauses a client
# What clients send before they stop.
BEGUN = {
    "nothing": b"",
    "a letter": b"P",
    "half a head": head()[:40],
    "a head but for a byte": head()[:-1],
    "no body": head(),
    "half a body": head() + BODY[:-1],
}


@pytest.fixture(scope="module")
def target(models: Path) -> Iterator[Server]:
    """A server that waits only a short time for each request."""
    with serving(models / "shapes.strop", "--read-timeout", READ_S) as running:
        yield running


def test_clients_that_stop_sending_are_closed(target: Server) -> None:
    with ExitStack() as stack:
        channels = {}
        for what, begun in BEGUN.items():
            channels[what] = stack.enter_context(target.connect())
            channels[what].sendall(begun)
        for what, channel in channels.items():
            with channel.makefile("rb") as file:
                said = file.read()
            assert said == b"" if not BEGUN[what] else said.startswith(b"HTTP/1.1 408 "), what


def test_a_slow_client_is_closed_though_it_sends(target: Server) -> None:
    with target.connect() as channel:
        channel.settimeout(0.05)
        try:
            for _ in range(int(PATIENCE_S / 0.05)):
                channel.sendall(b"x")
                try:
                    said = channel.recv(4096)
                    break
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            said = b""
    assert said.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")) or not said


def test_a_client_that_sends_empty_lines_is_closed(target: Server) -> None:
    with target.connect() as channel, channel.makefile("rb") as file:
        channel.sendall(head() + BODY)
        assert read_from(file).status == 200
        channel.sendall(b"\r\n")
        channel.settimeout(PATIENCE_S / 2)  # less than the server waits for a next request
        assert channel.recv(1) == b""


def test_a_client_that_sends_on_after_a_refusal_is_closed(target: Server) -> None:
    """It gets one answer, though its body never ends."""
    with target.connect() as channel, channel.makefile("rb") as file:
        channel.sendall(head(Content_Length=str(2**40)) + BODY)
        assert read_from(file).status == 413
        channel.sendall(BODY)
        assert file.read() == b""


def test_what_follows_an_answer_and_is_not_http_is_refused(target: Server) -> None:
    with target.connect() as channel, channel.makefile("rb") as file:
        channel.sendall(head() + BODY)
        assert read_from(file).status == 200
        channel.sendall(b"\0\r\n\r\n")
        assert read_from(file).status == 400


def test_a_client_that_does_not_read_is_closed(target: Server) -> None:
    """Ask again and again for long answers: the system's buffers fill, and then the server's."""
    samples = 2**16
    pixels = bytes(samples * 16)
    tensor = {
        "name": "image",
        "shape": [samples, 4, 4],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": len(pixels)},
    }
    said = json.dumps({"inputs": [tensor]}).encode()
    lengths = {LENGTH: str(len(said)), "Content_Length": str(len(said) + len(pixels))}
    request = head(**lengths) + said + pixels
    with target.connect() as channel, pytest.raises((BrokenPipeError, ConnectionResetError)):
        _send_for_ever(channel, request)
    assert still_answers(target)


def _send_for_ever(channel: socket.socket, request: bytes) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        channel.sendall(request)


def test_clients_that_go_away_leave_nothing(target: Server) -> None:
    for part in (head()[:30], head(), head() + BODY[:5], head() + BODY) * 25:
        channel = target.connect()
        channel.sendall(part)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        channel.close()  # by a reset
    end_s = time.monotonic() + PATIENCE_S
    empty = ("strop_requests_inside 0.0", "strop_body_bytes 0.0")
    while not all(line in (said := target.ask("GET", "/metrics").body.decode()) for line in empty):
        assert time.monotonic() < end_s, said
    assert still_answers(target)
