"""Brokers that lie, flood, stall or end: each is one error, in bounded time and memory."""

from __future__ import annotations

import itertools
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from strop.errors import ReportError
from strop.fleet.reports import mqtt
from strop.fleet.reports.mqtt import parse_broker, publish, retained
from strop.fleet.reports.report import MAX_BYTES
from tests.fleet import brokers

Talk = Callable[[socket.socket], None]

# A packet has its kind, the length of the rest, and the rest (MQTT 5, 2.1).
CONNACK = bytes((0x20, 3, 0, 0, 0))
HUNDRED_MEGABYTES = bytes((0x31, 0x80, 0xC2, 0xD7, 0x2F))  # a length of 100,000,000
ENDED = "the connection to the broker .* ended"
ANY = "the broker|the connection"  # what exactly is wrong is paho's to find
SHORT_S = 1.0  # to wait for what never comes
PAUSE_S = 6.0  # the same, after something that comes
LONG_S = 30.0  # for what comes, also on a busy machine
MOST_LINES = 1000  # that are taken
MOST_BYTES = 16 * 2**20  # of memory: so many lines of 4,000 bytes, and as much again


def packet(kind: int, rest: bytes) -> bytes:
    length, left = b"", len(rest)
    while True:
        left, digit = divmod(left, 128)
        length += bytes((digit | (128 if left else 0),))
        if not left:
            return bytes((kind,)) + length + rest


def message(
    payload: bytes, topic: bytes = b"shop/reports/camera-1", *, retain: bool = True
) -> bytes:
    """A PUBLISH of QoS 0."""
    kind = 0x31 if retain else 0x30
    return packet(kind, len(topic).to_bytes(2, "big") + topic + b"\0" + payload)


def nothing(connection: socket.socket) -> None:
    """Say nothing until the client goes."""
    while connection.recv(1000):
        pass


def says(*packets: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"".join(packets))
        nothing(connection)

    return talk


def repeats(content: bytes, pause_s: float = 0.0) -> Talk:
    def talk(connection: socket.socket) -> None:
        for _ in itertools.count():
            connection.sendall(content)
            time.sleep(pause_s)

    return talk


def slowly(content: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        for byte in content:
            connection.sendall(bytes((byte,)))
            time.sleep(0.01)
        nothing(connection)

    return talk


def hangs_up(*packets: bytes) -> Talk:
    return lambda connection: connection.sendall(b"".join(packets))


def connected(then: Talk) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(CONNACK)
        then(connection)

    return talk


def subscribed(then: Talk) -> Talk:
    def talk(connection: socket.socket) -> None:
        asked = connection.recv(1000)
        connection.sendall(packet(0x90, asked[2:4] + b"\0\0"))
        then(connection)

    return connected(talk)


LIES: dict[str, tuple[Talk, str]] = {
    "says nothing": (nothing, "did not confirm the connection in 1 s"),
    "hangs up": (hangs_up(), ENDED),
    "is a web server": (says(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9), ANY),
    "does not let us in": (says(bytes((0x20, 3, 0, 0x87, 0))), "refuses the connection"),
    "has an unknown reason": (says(bytes((0x20, 3, 0, 0x11, 0))), ANY),
    "confirms no subscription": (connected(nothing), "did not confirm the subscription"),
    "hangs up later": (connected(hangs_up()), ENDED),
    "floods before it confirms": (connected(repeats(message(b"x" * 4000) * 100)), ANY),
    "floods": (subscribed(repeats(message(b"x" * 4000) * 100)), "and more come"),
    "drips for ever": (subscribed(repeats(message(b"x"), 0.05)), "and more come"),
    "sends 100 MB": (
        subscribed(says(HUNDRED_MEGABYTES, bytes(100_000))),
        "sent what is not MQTT: a packet of 100000000 bytes",
    ),
    "sends bytes": (subscribed(says(bytes(range(256)))), ANY),
    "sends a length without end": (subscribed(says(b"\x31\xff\xff\xff\xff\xff")), ANY),
    "has a wrong topic": (subscribed(hangs_up(message(b"x", b"\xff\xfe"))), ANY),
    "has a topic longer than its packet": (subscribed(says(packet(0x31, b"\xff\xff"))), ANY),
    "has wrong properties": (subscribed(says(b"\x31\x05\x00\x01a\xff\xff")), ANY),
    "asks who we are once more": (subscribed(says(b"\xf0\x00")), ANY),
    "sends a reserved packet": (subscribed(says(b"\x00\x00")), ANY),
    "says goodbye half-way": (subscribed(says(message(b"{}\n"), b"\xe0\x00")), ANY),
    "ends half-way": (subscribed(hangs_up(message(b"{}\n"), message(b"{}\n")[:9])), ENDED),
}


@pytest.mark.parametrize("name", LIES)
def test_it_is_one_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    talk, said = LIES[name]
    timeout_s = {"says nothing": SHORT_S, "confirms no subscription": PAUSE_S}.get(name, LONG_S)
    monkeypatch.setattr(mqtt, "MOST_S", SHORT_S if name == "drips for ever" else LONG_S)
    monkeypatch.setattr(mqtt, "MOST_OTHERS", MOST_LINES)
    start = time.monotonic()
    tracemalloc.start()
    try:
        with brokers.lying(talk) as url, pytest.raises(ReportError, match=said) as caught:
            list(retained(parse_broker(url), 3, quiet_s=LONG_S, timeout_s=timeout_s))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 2 * LONG_S
    assert peak_bytes < MOST_BYTES
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(nothing, id="says nothing"),
        pytest.param(hangs_up(), id="hangs up"),
        pytest.param(connected(nothing), id="confirms nothing"),
        pytest.param(connected(says(bytes((0x40, 2, 0x30, 0x39)))), id="confirms another one"),
    ],
)
def test_a_report_that_is_not_confirmed_is_not_sent(talk: Talk) -> None:
    with brokers.lying(talk) as url, pytest.raises(ReportError):
        publish(parse_broker(url), "camera-1", b"{}\n", timeout_s=SHORT_S)


def test_a_slow_message_is_read_whole() -> None:
    with brokers.lying(subscribed(slowly(message(b"{}\n")))) as url:
        assert next(retained(parse_broker(url), 3, quiet_s=LONG_S)) == b"{}\n"


def test_a_long_message_is_cut_for_the_reader_to_refuse() -> None:
    talk = subscribed(says(message(b"x" * (MAX_BYTES + 4_000)), message(b"{}\n")))
    with brokers.lying(talk) as url:
        long, short = itertools.islice(retained(parse_broker(url), 3, quiet_s=LONG_S), 2)
    assert (len(long), short) == (MAX_BYTES + 1, b"{}\n")


def test_what_came_while_this_process_stood_still_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = threading.Event()
    confirmed = mqtt._Session._on_subscribe

    live = message(b"live\n", retain=False)
    lines = [b"{}\n", b'{"a": 1}\n']

    def send(connection: socket.socket) -> None:
        connection.sendall(live + b"".join(map(message, lines)))
        sent.set()
        nothing(connection)

    def stand_still(session: Any, *arguments: Any) -> None:
        confirmed(session, *arguments)
        assert sent.wait(LONG_S)
        time.sleep(0.4)

    monkeypatch.setattr(mqtt._Session, "_on_subscribe", stand_still)
    with brokers.lying(subscribed(send)) as url:
        assert [
            line for line in retained(parse_broker(url), 3, quiet_s=0.2) if line in lines
        ] == lines
