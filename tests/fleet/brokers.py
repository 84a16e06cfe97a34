"""Real MQTT brokers on loopback, and ones that lie."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests import needs
from tests.fleet.registries import kept_port

START_S = 20.0
USER, PASSWORD = "shop", "a:secret"
_DAYS = datetime.timedelta(days=1)


class Running(NamedTuple):
    """A broker that runs."""

    host: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}/shop/reports"


@contextlib.contextmanager
def serve(folder: Path, *settings: str) -> Iterator[Running]:
    """Run Debian's Mosquitto on a free loopback port, with more lines of its configuration."""
    with kept_port() as port, listening(folder, port, *settings) as running:
        yield running


@contextlib.contextmanager
def listening(folder: Path, port: int, *settings: str) -> Iterator[Running]:
    """Run it on a port of `kept_port`."""
    program = needs.mosquitto()
    folder.mkdir(parents=True, exist_ok=True)
    lines = (f"listener {port} 127.0.0.1", "user root", *settings)
    (folder / "conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen([program, "-c", str(folder / "conf")], stdout=log, stderr=log) as process,
    ):
        try:
            _wait(port, process, folder / "log")
            yield Running("127.0.0.1", port, process)
        finally:
            process.kill()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"mosquitto does not start: {log.read_text(errors='replace')}")


def write_passwords(path: Path) -> None:
    """Write a file of the broker's in which USER has PASSWORD."""
    needs.mosquitto()  # whose package has this program too
    subprocess.run(
        ["mosquitto_passwd", "-c", "-b", str(path), USER, PASSWORD], check=True, capture_output=True
    )


@contextlib.contextmanager
def lying(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen as a broker would, let `answer` have each connection, and yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stopped = threading.Event()

        def run() -> None:
            listening.settimeout(0.1)
            while not stopped.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(20)
                    answer(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"mqtt://127.0.0.1:{listening.getsockname()[1]}/shop/reports"
        finally:
            stopped.set()
            thread.join()


def certificates(folder: Path) -> tuple[Path, Path]:
    """Make an authority and a certificate of 127.0.0.1; return the authority's and the server's.

    The server's file has its key as well.
    """
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("CA", "mq")]
    made = []
    for i, (key, name) in enumerate(zip(keys, names, strict=True)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(i + 1)
            .not_valid_before(now - _DAYS)
            .not_valid_after(now + _DAYS)
            .add_extension(x509.BasicConstraints(ca=i == 0, path_length=None), critical=True)
        )
        if i:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(Encoding.PEM))
    secret = keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.mkdir(parents=True, exist_ok=True)
    authority, server = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(made[0])
    server.write_bytes(made[1] + secret)
    return authority, server
