"""Reports over MQTT: a real broker, and ones that lie, flood or say nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from strop.errors import InputError, ReportError
from strop.fleet.reports import mqtt
from strop.fleet.reports.mqtt import Broker, parse_broker, publish, retained
from strop.fleet.reports.report import MAX_BYTES
from strop.fleet.rollout.rollout import collect
from tests.fleet import brokers
from tests.fleet.fleet_reports import line, listed, report

DEVICES = listed("camera-1", "camera-2")
OPEN = "allow_anonymous true"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Running]:
    with brokers.serve(tmp_path_factory.mktemp("broker"), OPEN) as running:
        yield running


@pytest.fixture
def broker(server: brokers.Running, request: pytest.FixtureRequest) -> Broker:
    """The broker, with a prefix of the test's own."""
    return parse_broker(f"mqtt://{server.host}:{server.port}/{request.node.name}")


def read(broker: Broker, devices: int = 2) -> list[bytes]:
    return list(retained(broker, devices, quiet_s=0.4, timeout_s=5))


def test_the_newest_report_of_each_device_stays(broker: Broker) -> None:
    assert read(broker) == []
    for i in range(3):
        publish(broker, "camera-1", line(sequence=i))
    publish(broker, "camera-2", line("camera-2", sequence=7))
    found = collect(read(broker), DEVICES)
    assert found.newest == {
        "camera-1": report(sequence=2),
        "camera-2": report("camera-2", sequence=7),
    }
    assert not found.refused


def test_messages_of_others_are_counted_and_do_no_harm(broker: Broker) -> None:
    publish(broker, "camera-1", line(sequence=1))
    publish(broker, "camera-2", line("camera-1", sequence=5))  # where it is does not matter
    publish(broker, "camera-3", line("camera-3"))
    publish(broker, "camera-4", b"\xff" * 100)
    publish(broker, "camera-5", b"x" * (MAX_BYTES + 100))
    publish(broker, "camera-6", b"x" * 10**6)  # the broker keeps it back: we say what we take
    found = collect(read(broker), DEVICES)
    assert found.newest == {"camera-1": report(sequence=5)}
    assert found.refused == {"unlisted": 1, "malformed": 2}


def test_a_report_expires(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "KEPT_S", 1)
    publish(broker, "camera-1", line())
    assert read(broker) == [line()]
    time.sleep(2.5)
    assert read(broker) == []


def test_reports_of_thousands_come_whole(server: brokers.Running, broker: Broker) -> None:
    """With QoS 1 Mosquitto would drop all above its queue of 1,000, and say nothing."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect(server.host, server.port)
    client.loop_start()
    for i in range(3000):
        last = client.publish(f"{broker.prefix}/d{i}", b"%d" % i, qos=1, retain=True)
    last.wait_for_publish(20)
    client.disconnect()
    client.loop_stop()
    assert {int(one) for one in read(broker, 3000)} == set(range(3000))


def test_more_messages_than_agreed_are_an_error(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        publish(broker, f"camera-{i}", b"x")
    monkeypatch.setattr(mqtt, "MOST_OTHERS", 1)
    assert len(read(broker, 3)) == 4
    with pytest.raises(ReportError, match="has 4 messages below .*; let only devices publish"):
        read(broker, 2)


def test_encrypted_with_a_password(tmp_path: Path) -> None:
    authority, certificate = brokers.certificates(tmp_path)
    passwords, login = tmp_path / "passwords", tmp_path / "login"
    brokers.write_passwords(passwords)
    login.write_text(f"{brokers.USER}:{brokers.PASSWORD}\n", encoding="ascii")
    login.chmod(0o600)
    settings = (
        "allow_anonymous false",
        f"password_file {passwords}",
        f"certfile {certificate}",
        f"keyfile {certificate}",
    )
    with brokers.serve(tmp_path / "broker", *settings) as running:
        url = running.url.replace("mqtt:", "mqtts:")
        broker = parse_broker(url, str(login), str(authority))
        publish(broker, "camera-1", line())
        assert read(broker) == [line()]
        with pytest.raises(ReportError, match="cannot reach the broker .*certificate verify"):
            publish(parse_broker(url, str(login)), "camera-1", line())
        with pytest.raises(ReportError, match="refuses the connection: Not authorized; look at"):
            publish(parse_broker(url, None, str(authority)), "camera-1", line())
        with pytest.raises(ReportError):
            publish(broker._replace(encrypted=False), "camera-1", line(), timeout_s=2)


def test_a_broker_that_lets_devices_write_only_their_own(tmp_path: Path) -> None:
    access = tmp_path / "access"
    access.write_text("topic write shop/reports/camera-1\n", encoding="ascii")
    with brokers.serve(tmp_path / "broker", OPEN, f"acl_file {access}") as running:
        broker = parse_broker(running.url)
        publish(broker, "camera-1", line())
        with pytest.raises(ReportError, match="refuses the report: Not authorized"):
            publish(broker, "camera-2", line("camera-2"))


def test_a_broker_that_keeps_nothing(tmp_path: Path) -> None:
    with (
        brokers.serve(tmp_path, OPEN, "retain_available false") as running,
        pytest.raises(ReportError, match="keeps no messages"),
    ):
        publish(parse_broker(running.url), "camera-1", line())


def test_no_broker(tmp_path: Path) -> None:
    with brokers.serve(tmp_path, OPEN) as running:
        broker = parse_broker(running.url)
    for call in (lambda: publish(broker, "camera-1", line()), lambda: read(broker)):
        with pytest.raises(ReportError, match="cannot reach the broker 127.0.0.1:.*refused"):
            call()


# Brokers that lie. A packet has its kind, the length of the rest, and the rest (MQTT 5, 2.1).

CONNACK = bytes((0x20, 3, 0, 0, 0))


def packet(kind: int, rest: bytes) -> bytes:
    length, left = b"", len(rest)
    while True:
        left, digit = divmod(left, 128)
        length += bytes((digit | (128 if left else 0),))
        if not left:
            return bytes((kind,)) + length + rest


def message(payload: bytes, topic: bytes = b"shop/reports/camera-1") -> bytes:
    """A retained PUBLISH of QoS 0."""
    return packet(0x31, len(topic).to_bytes(2, "big") + topic + b"\0" + payload)


def _suback(connection: socket.socket) -> None:
    asked = connection.recv(1000)
    connection.sendall(packet(0x90, asked[2:4] + b"\0\0"))


def _connected(then: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(CONNACK)
        then(connection)

    return answer


def _subscribed(then: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        _suback(connection)
        then(connection)

    return _connected(answer)


def _flood(connection: socket.socket) -> None:
    while True:
        connection.sendall(message(b"x" * 100) * 100)


def _drip(connection: socket.socket) -> None:
    while True:
        connection.sendall(message(b"x"))
        time.sleep(0.05)


def _large(connection: socket.socket) -> None:
    connection.sendall(b"\x31" + bytes((0x80, 0xC2, 0xD7, 0x2F)))  # 100,000,000 bytes follow
    for _ in range(100_000_000 // 2**20):
        connection.sendall(bytes(2**20))


def _nothing(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


LIES: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "says nothing": (_nothing, "did not confirm the connection in 1 s"),
    "hangs up": (lambda _: None, "the connection to the broker .* ended"),
    "confirms no subscription": (_connected(_nothing), "did not confirm the subscription"),
    "hangs up later": (_connected(lambda _: None), "the connection to the broker .* ended"),
    "is a web server": (
        lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9),
        "the broker|the connection",
    ),
    "sends 100 MB": (_subscribed(_large), "sent what is not MQTT: a packet of 100000000 bytes"),
    "floods": (_subscribed(_flood), "and more come"),
    "drips for ever": (_subscribed(_drip), "and more come"),
    "sends bytes": (_subscribed(lambda c: c.sendall(bytes(range(256)))), "the broker|connection"),
    "has a wrong topic": (
        _subscribed(lambda c: c.sendall(message(b"x", b"\xff\xfe"))),
        "the broker|connection",
    ),
    "cuts a packet": (
        _subscribed(lambda c: c.sendall(packet(0x31, b"\xff\xff"))),
        "the broker|connection",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_brokers_that_lie(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, said = LIES[name]
    monkeypatch.setattr(mqtt, "MOST_S", 2.0)
    start = time.monotonic()
    with brokers.lying(answer) as url, pytest.raises(ReportError, match=said) as caught:
        list(retained(parse_broker(url), 2, quiet_s=0.4, timeout_s=1))
    assert time.monotonic() - start < 15
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["says nothing", "hangs up", "confirms no subscription"])
def test_a_report_that_is_not_confirmed_is_not_sent(name: str) -> None:
    answer, _ = LIES[name]
    with brokers.lying(answer) as url, pytest.raises(ReportError):
        publish(parse_broker(url), "camera-1", line(), timeout_s=1)


# Addresses.


def test_addresses(tmp_path: Path) -> None:
    login = tmp_path / "login"
    login.write_text("shop:a:b\nmore\n", encoding="utf-8")
    login.chmod(0o600)
    assert parse_broker("mqtts://mq.example.com/shop/reports/", str(login), "ca.pem") == Broker(
        "mq.example.com", 8883, "shop/reports", True, "shop", "a:b", "ca.pem"
    )
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert parse_broker(f"mqtt://{host}:1/x").port == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mqtt://mq.example.com/shop", "is not encrypted; use mqtts://mq.example.com"),
        ("mqtt://127.0.0.1.example.com/shop", "is not encrypted"),
        ("https://mq.example.com/shop", "is not the address of a broker"),
        ("mqtts:///shop", "is not the address"),
        ("mqtts://mq.example.com:99999/shop", "is not the address"),
        ("mqtts://mq.example.com", "has no prefix of topics"),
        ("mqtts://mq.example.com/", "has no prefix of topics"),
        ("mqtts://mq.example.com/a/+/b", "has no prefix"),
        ("mqtts://mq.example.com/a/#", "is not the address"),
        ("mqtts://mq.example.com/a//b", "has no prefix"),
        ("mqtts://mq.example.com/$SYS", "has no prefix"),
        ("mqtts://mq.example.com/a?b=c", "is not the address"),
    ],
)
def test_addresses_that_are_refused(url: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_broker(url)
    assert said in str(caught.value)


def test_a_password_is_not_in_the_address_nor_in_the_message() -> None:
    with pytest.raises(InputError) as caught:
        parse_broker("mqtts://shop:hidden@mq.example.com/shop")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"shop\n", b":secret\n", b"\xff\xff:x\n"])
def test_a_login_that_is_none(tmp_path: Path, content: bytes) -> None:
    login = tmp_path / "login"
    login.write_bytes(content)
    login.chmod(0o600)
    with pytest.raises(InputError, match="does not begin with a line user:password"):
        parse_broker("mqtts://mq.example.com/x", str(login))


def test_a_login_that_others_may_read(tmp_path: Path) -> None:
    login = tmp_path / "login"
    login.write_bytes(b"shop:secret\n")
    login.chmod(0o644)
    with pytest.raises(InputError, match="others may read or change the broker's user"):
        parse_broker("mqtts://mq.example.com/x", str(login))
