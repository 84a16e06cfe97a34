"""Real registries on loopback, each with a storage of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from strop.fleet.registry import Reference, Registry, parse
from tests import needs

START_S = 30.0
# A line of htpasswd, in bcrypt: docker-registry takes no other.
USER, PASSWORD = "device", "secret"
_HTPASSWD = "device:$2b$04$imUChCF1MwwMij.G1SgSKeimfIiEp68pMrrDaWtBmLOkRF73p4t5e\n"


class Running(NamedTuple):
    """A registry that runs."""

    host: str  # with its port
    data: Path  # its storage
    process: subprocess.Popen[bytes]

    def reference(self, tag: str = "", repository: str = "models/digits") -> Reference:
        return parse(f"{self.host}/{repository}{tag and ':'}{tag}")

    def open(self, repository: str = "models/digits", *, timeout_s: float = 10.0) -> Registry:
        """A client, which tries again at once."""
        reference = self.reference(repository=repository)
        return Registry(reference, timeout_s=timeout_s, pauses_s=(0.0, 0.0))

    def blob(self, digest: str) -> Path:
        """The file in which the storage has a blob."""
        name = digest[7:]
        return self.data / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"


@contextlib.contextmanager
def serve(folder: Path, port: int = 0, *, with_password: bool = False) -> Iterator[Running]:
    """Run Debian's docker-registry on a loopback port.

    Args:
        folder: for its configuration and storage; one that is there already is used again.
        port: one of `kept_port`; 0: one of its own.
        with_password: whether USER has to give PASSWORD.
    """
    if not port:
        with kept_port() as port, serve(folder, port, with_password=with_password) as running:
            yield running
        return
    program = needs.docker_registry()
    folder.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{port}"
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
        },
        "http": {"addr": host},
    }
    if with_password:
        (folder / "htpasswd").write_text(_HTPASSWD, encoding="ascii")
        config["auth"] = {"htpasswd": {"realm": "strop", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config), encoding="ascii")  # JSON is YAML
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(
            [program, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        ) as process,
    ):
        try:
            _wait(host, process, folder / "log")
            yield Running(host, folder / "data", process)
        finally:
            process.kill()


def tags(registry: Registry) -> list[str]:
    """The tags of a repository, sorted."""
    host, _, repository = registry.place.partition("/")
    try:
        with urllib.request.urlopen(f"http://{host}/v2/{repository}/tags/list") as answer:
            return sorted(json.load(answer)["tags"] or ())
    except urllib.error.HTTPError as error:
        if error.code == 404:  # there is no such repository
            return []
        raise


def collect(folder: Path) -> None:
    """Remove from the storage of a registry that is stopped what no tag leads to."""
    subprocess.run(
        [needs.docker_registry(), "garbage-collect", "-m", str(folder / "config.yml")],
        check=True,
        capture_output=True,
    )


@contextlib.contextmanager
def kept_port() -> Iterator[int]:
    """Yield a loopback port that the system gives to nobody else meanwhile.

    A socket is bound to it and does not listen: connections are refused, until a server listens
    there that allows the reuse of its address, as nearly all do.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def _wait(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=5).close()
        except urllib.error.HTTPError:  # it asks for a password
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"docker-registry does not start: {log.read_text(errors='replace')}")
