"""Reports over MQTT 5: each device's newest one is a retained message at `<prefix>/<device>`.

The broker is trusted with nothing but to carry lines: each is signed. What it says is bounded
before it is read: the size of a packet, the number of messages, and every wait.
"""

from __future__ import annotations

import re
import select
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from strop.bundle.files import read_secret
from strop.device.hosts import is_loopback
from strop.errors import InputError, ReportError, one_line, printable
from strop.fleet.reports.report import MAX_BYTES, check_device

TIMEOUT_S = 30  # for a connection, and for each answer
KEPT_S = 90 * 86400  # the broker drops the report of a device that has been silent for so long
QUIET_S = 2.0  # without a retained message: all have come
MOST_S = 300.0  # for all of them
MOST_OTHERS = 10_000  # messages of others, and of devices that report meanwhile

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MAX_PACKET_BYTES = 2 * MAX_BYTES  # a line, its topic and properties
_LEVEL = re.compile(r"[^/+#$\s][^/+#\s]{0,99}")
_MOST_LEVELS = 8
_LONGEST_LOGIN = 2000  # bytes of a user's name and password


class Broker(NamedTuple):
    """A broker, and where reports are in it."""

    host: str
    port: int
    prefix: str  # of topics, without a slash at the end
    encrypted: bool
    user: str | None = None
    password: str | None = None
    authority: str | None = (
        None  # file of the certificates that may sign the broker's; None: the system's
    )

    @property
    def place(self) -> str:
        """What messages call it."""
        return printable(f"{self.host}:{self.port}")


def parse_broker(url: str, login: str | None = None, authority: str | None = None) -> Broker:
    """Read the address of a broker.

    Args:
        url: `mqtts://HOST[:PORT]/PREFIX`; `mqtt://` for this machine only, since it is not
            encrypted.
        login: a file whose first line is `user:password`, which others may not read; None: no user.
        authority: a file of certificates in PEM, one of which must have signed the broker's; None:
            the system's authorities.

    Raises:
        InputError: the address or the file is not that.
    """
    mend = "write mqtts://HOST/PREFIX"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError(f"{url!r} is not the address of a broker", mend) from None
    if parts.scheme not in _PORTS or not host or "?" in url or "#" in url:
        raise InputError(f"{url!r} is not the address of a broker", mend)
    if "@" in parts.netloc:  # not shown: it holds a password
        raise InputError(
            "the broker's address names a user", "put user:password into a file, and name that"
        )
    if parts.scheme == "mqtt" and not is_loopback(host):
        raise InputError(f"mqtt:// to {host} is not encrypted", f"use mqtts://{host}")
    levels = parts.path.strip("/").split("/")
    if len(levels) > _MOST_LEVELS or not all(map(_LEVEL.fullmatch, levels)):
        raise InputError(f"{url!r} has no prefix of topics", mend)
    user, password = _read_login(login) if login else (None, None)
    return Broker(
        host,
        port or _PORTS[parts.scheme],
        "/".join(levels),
        parts.scheme == "mqtts",
        user,
        password,
        authority,
    )


def publish(broker: Broker, device: str, line: bytes, *, timeout_s: float = TIMEOUT_S) -> None:
    """Make a line the device's newest report, and return when the broker has confirmed it.

    Args:
        broker: the broker.
        device: the device's name.
        line: the signed line.
        timeout_s: limit for the connection, and for the confirmation.

    Raises:
        ReportError: the broker cannot be reached, refuses, or does not confirm.
    """
    kept = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    kept.MessageExpiryInterval = KEPT_S
    topic = f"{broker.prefix}/{check_device(device)}"
    with _Session(broker, f"strop-{device}", timeout_s) as session:
        if not session.keeps:
            raise ReportError(
                f"the broker {broker.place} keeps no messages", "allow retained messages there"
            )
        session.client.publish(topic, line, qos=1, retain=True, properties=kept)
        session.wait("the report", lambda: session.confirmed is not None)
        session.require("the report", session.confirmed)


def retained(
    broker: Broker, devices: int, *, quiet_s: float = QUIET_S, timeout_s: float = TIMEOUT_S
) -> Iterator[bytes]:
    """Yield the lines that a broker has; of one that is too long, its start.

    It ends when no retained message has come for a while.

    Args:
        broker: the broker.
        devices: how many may have one; MOST_OTHERS messages more are taken.
        quiet_s: that while.
        timeout_s: limit for the connection, and for the answer to the subscription.

    Raises:
        ReportError: the broker cannot be reached, refuses, or sends too much or what is not MQTT: a
            decision by a part of the reports could be wrong.
    """
    with _Session(broker, "", timeout_s) as session:
        # QoS 0: Mosquitto silently drops what is above its queue (1,000 messages) with 1 or 2.
        session.client.subscribe(f"{broker.prefix}/+", qos=0)
        session.wait("the subscription", lambda: session.confirmed is not None or session.lines)
        end = time.monotonic() + MOST_S
        taken = 0
        # This process may have stood still: what has come meanwhile is read first.
        while time.monotonic() < session.latest + quiet_s or session.has_more():
            session.run(quiet_s / 4)
            session.require("the subscription", session.confirmed)
            while session.lines:
                taken += 1
                yield session.lines.popleft()
            if taken > devices + MOST_OTHERS or time.monotonic() > end:
                raise ReportError(
                    f"the broker {broker.place} has {taken} messages below {broker.prefix}, and "
                    "more come",
                    "let only devices publish there",
                )
        if session.confirmed is None:
            raise ReportError(f"the broker {broker.place} does not answer the subscription")


class _Client(paho.Client):
    """A client that reads no packet larger than ours are; paho asks for the rest of one at once."""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > _MAX_PACKET_BYTES:
            raise ValueError(f"a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)


class _Session:
    """One connection, driven by the caller's thread."""

    def __init__(self, broker: Broker, name: str, timeout_s: float) -> None:
        self.lines: deque[bytes] = deque()
        self.latest = 0.0  # monotonic time of the last retained message, or of the subscription
        self.confirmed: Any = None  # the broker's last answer: a ReasonCode
        self.keeps = True
        self._broker = broker
        self._timeout_s = timeout_s
        self._connected: Any = None
        self.client = _Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5)
        self.client.connect_timeout = timeout_s
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.on_publish = self._on_publish
        self.client.on_subscribe = self._on_subscribe
        if broker.user is not None:
            self.client.username_pw_set(broker.user, broker.password)

    def __enter__(self) -> _Session:
        broker = self._broker
        limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        limits.MaximumPacketSize = _MAX_PACKET_BYTES
        try:
            if broker.encrypted:
                self.client.tls_set_context(ssl.create_default_context(cafile=broker.authority))
            self.client.connect(
                broker.host,
                broker.port,
                keepalive=max(1, round(self._timeout_s)),  # and the limit of TLS's handshake
                clean_start=True,
                properties=limits,
            )
        except (OSError, ValueError) as error:  # TLS's and DNS's errors are OSErrors
            raise ReportError(
                f"cannot reach the broker {broker.place}: {one_line(str(error))}"
            ) from None
        self.wait("the connection", lambda: self._connected is not None)
        self.require("the connection", self._connected)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.disconnect()

    def wait(self, what: str, done: Callable[[], object]) -> None:
        """Talk until something is done; raise ReportError if it takes too long."""
        end = time.monotonic() + self._timeout_s
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                raise ReportError(
                    f"the broker {self._broker.place} did not confirm {what} in "
                    f"{self._timeout_s:g} s"
                )
            self.run(min(left, 0.5))

    def run(self, limit_s: float) -> None:
        """Talk once; wait at most so long for the broker."""
        try:
            status = self.client.loop(limit_s)
        except Exception as error:  # of paho's parsers, by bytes that are not MQTT
            raise ReportError(
                f"the broker {self._broker.place} sent what is not MQTT: {one_line(str(error))}"
            ) from error
        if status != paho.MQTT_ERR_SUCCESS and not self._refused():
            raise ReportError(
                f"the connection to the broker {self._broker.place} ended: "
                f"{paho.error_string(status)}"
            )

    def has_more(self) -> bool:
        """Tell whether the broker has sent what is not yet read."""
        channel = self.client.socket()
        if channel is None:
            return False
        kept = channel.pending() if isinstance(channel, ssl.SSLSocket) else 0
        return bool(kept or select.select([channel], [], [], 0)[0])

    def require(self, what: str, reason: Any) -> None:
        """Raise ReportError if the broker has answered no."""
        if reason is not None and reason.is_failure:
            raise ReportError(
                f"the broker {self._broker.place} refuses {what}: {one_line(str(reason))}",
                "look at the user, the password and the broker's access lists",
            )

    def _refused(self) -> bool:
        """Tell whether the broker has said why it ends the connection."""
        answers = (self._connected, self.confirmed)
        return any(reason is not None and reason.is_failure for reason in answers)

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, limits: Any) -> None:
        self._connected = reason
        self.keeps = getattr(limits, "RetainAvailable", 1) != 0

    def _on_publish(self, client: Any, data: Any, number: Any, reason: Any, limits: Any) -> None:
        self.confirmed = reason

    def _on_subscribe(self, client: Any, data: Any, number: Any, reasons: Any, more: Any) -> None:
        self.confirmed = reasons[0]
        self.latest = time.monotonic()

    def _on_message(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:
        if message.payload:  # an empty one clears what was retained
            self.lines.append(bytes(message.payload[: MAX_BYTES + 1]))
        if message.retain:
            self.latest = time.monotonic()


def _read_login(path: str) -> tuple[str, str]:
    """Read a user's name and password."""
    line = read_secret(path, "the broker's user and password", _LONGEST_LOGIN)
    try:
        user, colon, password = line.decode("utf-8").partition(":")
    except UnicodeDecodeError:
        user = colon = password = ""
    if not user or not colon:
        raise InputError(f"{printable(path)} does not begin with a line user:password")
    return user, password
