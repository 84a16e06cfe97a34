"""Brokers that lie, flood, stall or end: each is one error, in bounded time and memory."""

from __future__ import annotations

import contextlib
import itertools
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from strop.errors import ReportError
from strop.fleet.reports.mqtt import Broker, publish, retained

CONNACK = bytes((0x20, 3, 0, 0, 0))
SUBACK = bytes((0x90, 4, 0, 1, 0, 0))
Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def broker(talk: Talk) -> Iterator[Broker]:
    """Listen on loopback, and give the first connection to `talk`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def run() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(10)
                    talk(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield Broker("127.0.0.1", server.getsockname()[1], "fleet", encrypted=False)
    thread.join(15)
    assert not thread.is_alive()


def message(payload: bytes, *, retain: bool = True, topic: bytes = b"fleet/camera-1") -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + b"\0" + payload
    left, size = len(body), b""
    while True:
        left, digit = divmod(left, 128)
        size += bytes((digit | (128 if left else 0),))
        if not left:
            return bytes((0x31 if retain else 0x30,)) + size + body


def greet(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(CONNACK)
    connection.recv(1000)


def after_subscription(*answers: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        greet(connection)
        connection.sendall(SUBACK)
        for answer in answers:
            connection.sendall(answer)
        connection.recv(1000)

    return talk


def silent(connection: socket.socket) -> None:
    connection.recv(1000)
    time.sleep(2)


def no_subscription(connection: socket.socket) -> None:
    greet(connection)
    time.sleep(2)


def slow_header(connection: socket.socket) -> None:
    greet(connection)
    connection.sendall(SUBACK)
    for byte in message(b"x" * 100):
        connection.sendall(bytes((byte,)))
        time.sleep(0.1)


def flood(connection: socket.socket) -> None:
    greet(connection)
    connection.sendall(SUBACK)
    for _ in itertools.count():
        connection.sendall(message(b"x" * 4000) * 100)


def flood_before_suback(connection: socket.socket) -> None:
    greet(connection)
    for _ in itertools.count():
        connection.sendall(message(b"x" * 4000, retain=False) * 100)


def ends_half_way(connection: socket.socket) -> None:
    greet(connection)
    connection.sendall(SUBACK + message(b"{}\n") + message(b"{}\n")[:9])


HUNDRED_MEGABYTES = bytes((0x31, 0x80, 0xC2, 0xD7, 0x2F))  # a length of 100,000,000


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(silent, id="silent"),
        pytest.param(no_subscription, id="no answer to the subscription"),
        pytest.param(lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="HTTP"),
        pytest.param(lambda c: None, id="ends at once"),
        pytest.param(lambda c: c.sendall(bytes((0x20, 3, 0, 0x87, 0))), id="not authorized"),
        pytest.param(lambda c: c.sendall(bytes((0x20, 3, 0, 0x11, 0))), id="unknown reason"),
        pytest.param(after_subscription(HUNDRED_MEGABYTES + b"x" * 100_000), id="100 MB"),
        pytest.param(after_subscription(b"\x31\xff\xff\xff\xff\xff"), id="endless length"),
        pytest.param(after_subscription(b"\x31\x02\xff\xff"), id="topic longer than packet"),
        pytest.param(after_subscription(message(b"{}\n"), b"\xe0\x00"), id="DISCONNECT half-way"),
        pytest.param(ends_half_way, id="ends half-way"),
        pytest.param(after_subscription(b"\x31\x05\x00\x01a\xff\xff"), id="bad properties"),
        pytest.param(after_subscription(b"\xf0\x00"), id="AUTH"),
        pytest.param(after_subscription(b"\x00\x00"), id="reserved type"),
        pytest.param(flood, id="flood"),
        pytest.param(flood_before_suback, id="flood before the answer"),
    ],
)
def test_it_is_one_error(talk: Talk) -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with broker(talk) as place, pytest.raises(ReportError):
        list(retained(place, 3, quiet_s=0.5, timeout_s=1.0))
    assert time.monotonic() - start < 60
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 120 * 1024


@pytest.mark.parametrize("wrong", [silent, lambda c: None, no_subscription])
def test_a_report_that_is_not_confirmed_is_an_error(wrong: Talk) -> None:
    with broker(wrong) as place, pytest.raises(ReportError):
        publish(place, "camera-1", b"{}\n", timeout_s=1.0)


def test_a_report_is_not_confirmed_before_it_is_sent() -> None:
    """A PUBACK of another packet, or a subscription's answer, confirms nothing."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(CONNACK + bytes((0x40, 2, 0x30, 0x39)))
        time.sleep(2)

    with broker(talk) as place, pytest.raises(ReportError):
        publish(place, "camera-1", b"{}\n", timeout_s=1.0)


def test_a_slow_message_is_read_or_refused_whole() -> None:
    """What a slow broker sends is never taken by half."""
    with broker(slow_header) as place:
        try:
            lines = list(retained(place, 3, quiet_s=0.5, timeout_s=1.0))
        except ReportError:
            lines = []
    assert lines in ([], [b"x" * 100])


def test_a_long_message_is_cut_for_the_reader_to_refuse() -> None:
    with broker(after_subscription(message(b"x" * 12_000), message(b"{}\n"))) as place:
        long, short = retained(place, 3, quiet_s=0.5, timeout_s=1.0)
    assert (len(long), short) == (8193, b"{}\n")
