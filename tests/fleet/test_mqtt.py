"""Reports over MQTT: a real broker, and addresses of brokers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from strop.errors import InputError, ReportError
from strop.fleet.reports import mqtt
from strop.fleet.reports.collect import collect
from strop.fleet.reports.mqtt import Broker, parse_broker, publish, retained
from strop.fleet.reports.report import MAX_BYTES
from tests.fleet import brokers
from tests.fleet.fleet_reports import line, listed, report
from tests.fleet.registries import kept_port

DEVICES = listed("camera-1", "camera-2")
OPEN = "allow_anonymous true"
QUIET_S = 1.0  # a busy machine may pause the broker between two messages


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Running]:
    with brokers.serve(tmp_path_factory.mktemp("broker"), OPEN) as running:
        yield running


@pytest.fixture
def broker(server: brokers.Running, request: pytest.FixtureRequest) -> Broker:
    """The broker, with a prefix of the test's own."""
    return parse_broker(f"mqtt://{server.host}:{server.port}/{request.node.name}")


def read(broker: Broker, devices: int = 2) -> list[bytes]:
    return list(retained(broker, devices, quiet_s=QUIET_S))


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
    publish(broker, "camera-2", line("camera-2"))
    monkeypatch.setattr(mqtt, "KEPT_S", 1)
    publish(broker, "camera-1", line())
    time.sleep(2.5)  # Mosquitto looks once a second
    assert read(broker) == [line("camera-2")]


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
    with kept_port() as port:
        with brokers.listening(tmp_path, port, OPEN) as running:
            broker = parse_broker(running.url)
        for call in (lambda: publish(broker, "camera-1", line()), lambda: read(broker)):
            with pytest.raises(ReportError, match="cannot reach the broker 127.0.0.1:.*refused"):
                call()


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
