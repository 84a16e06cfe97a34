"""Devices that are processes: `strop agent`, killed and started again, on small disks."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from strop.bundle.keys import make_pair
from strop.fleet.agent.settings import Settings
from tests.needs import unavailable

_END_S = 30.0


class SmallDisk:
    """A file system of a few bytes, which this process and those that it starts there see.

    It is mounted in a namespace of its own, which needs no root, and is gone with it.

    Args:
        folder: an empty folder, where it is mounted.
        size_bytes: of all that fits.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        mount = f'mount -t tmpfs -o size={size_bytes} tmpfs "$1" && echo mounted && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._holder.stdout
        said = self._holder.stdout.readline()
        if said != b"mounted\n":
            self.close()
            unavailable(f"no small disk can be mounted ({said!r})", "user namespaces of the kernel")
        self.enter = (
            *("nsenter", "--target", str(self._holder.pid)),
            *("--user", "--mount", "--preserve-credentials", "--"),
        )
        self.seen = Path(f"/proc/{self._holder.pid}/root{folder}")  # from outside
        self._ballast = self.seen / "ballast"

    def fill(self) -> None:
        """Fill what is left."""
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Take away what filled it."""
        self._ballast.unlink()

    def close(self) -> None:
        """Unmount it."""
        self._holder.kill()
        self._holder.wait()


class AgentProcess:
    """`strop agent` on one device.

    Attributes:
        name: the device's name.
        line: its line in the list of devices.
        installs: the folder of installs, as it is seen from here.
        disk: its small disk; None: it shares this machine's.
        kills: how often it was killed.
    """

    def __init__(self, settings: Settings, place: Path, disk_bytes: int = 0) -> None:
        self.name, self.kills = settings.device, 0
        public = make_pair(settings.key, self.name)
        self.line = f"{public.text} {self.name}"
        inside = place / "disk"
        inside.mkdir()
        self.disk = SmallDisk(inside, disk_bytes) if disk_bytes else None
        self.installs = (self.disk.seen if self.disk else inside) / "models"
        self._log = place / "log"
        path = place / "agent.toml"
        settings = settings._replace(folder=str(inside / "models"), state=str(inside / "agent"))
        path.write_text(_toml(settings), encoding="utf-8")
        enter = self.disk.enter if self.disk else ()
        self._command = (*enter, sys.executable, "-m", "strop", "agent", str(path))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, as systemd would after a kill."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it as a power cut would, at whatever it does."""
        assert self._process
        self._process.kill()
        self._process.wait()
        self.kills += 1

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        assert self._process
        self._process.terminate()
        return self._process.wait(_END_S)

    def log(self) -> str:
        """The end of what it has logged, for messages."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def close(self) -> None:
        """End it and its disk, whatever has happened."""
        if self._process:
            self._process.kill()
            self._process.wait()
        if self.disk:
            self.disk.close()


@contextlib.contextmanager
def closing(devices: list[AgentProcess]) -> Iterator[None]:
    """End the processes after a `with`."""
    try:
        yield
    finally:
        for device in devices:
            device.close()


def _toml(settings: Settings) -> str:
    """The settings as a file; those that are left out are empty."""
    given = {name: value for name, value in settings._asdict().items() if value != ""}
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items())
