"""A server as people start it, and the bytes that a client exchanges with it."""

from __future__ import annotations

import json
import mmap
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE_S = 60.0  # for what takes a second on a machine that has nothing else to do
_STARTED = re.compile(r"strop serves on http://([\d.]+):(\d+)\n")


class Reply(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]  # the names in lower case
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Server:
    """A process of `strop serve` on a free port of the loopback interface."""

    def __init__(self, process: subprocess.Popen[str], host: str, port: int) -> None:
        self.process = process
        self.host, self.port = host, port
        self.log: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), PATIENCE_S)

    def exchange(self, request: bytes) -> Reply:
        """Send bytes, and read one answer."""
        with self.connect() as channel:
            channel.sendall(request)
            return read_reply(channel)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        lines = {"Host": self.address, "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return self.exchange(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def infer(self, name: str, request: Any, path: str = "") -> Reply:
        return self.ask("POST", path or f"/v2/models/{name}/infer", json.dumps(request).encode())

    def logged(self, event: str) -> dict[str, Any]:
        """Wait until it has logged an event, and return the line; it is read by a thread."""
        end_s = time.monotonic() + PATIENCE_S
        while not (found := [line for line in self.log if line["event"] == event]):
            assert time.monotonic() < end_s, self.log
            time.sleep(0.05)
        return found[0]

    def has_answered(self, name: str, version: int) -> None:
        """Wait until a version of a model has answered somebody."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            stats = self.ask("GET", f"/v2/models/{name}/stats").content["model_stats"]
            if any(one["version"] == str(version) and one["inference_count"] for one in stats):
                return
            assert time.monotonic() < end_s, self.log
            time.sleep(0.05)

    def memory_bytes(self) -> int:
        """The memory that the process holds now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * mmap.PAGESIZE

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit status."""
        self.process.send_signal(how)
        status = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return status

    def _read_log(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"event": "not JSON", "line": line})


@contextmanager
def serving(*arguments: object) -> Iterator[Server]:
    """Serve until the block ends; the server must then stop as asked, without a fault."""
    command = [sys.executable, "-m", "strop", "serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        started = _STARTED.fullmatch(line)
        assert started, f"{line}{process.stderr.read() if process.stderr else ''}"
        server = Server(process, started[1], int(started[2]))
        yield server
        if process.poll() is None:
            assert server.stop() == 0
        assert [line for line in server.log if line.get("level") in (None, "error")] == []
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def read_reply(channel: socket.socket) -> Reply:
    """Read one answer; the connection may stay open."""
    with channel.makefile("rb") as file:
        return read_from(file)


def read_from(file: Any) -> Reply:
    """Read one answer from a connection's file."""
    first = file.readline()
    assert first.startswith(b"HTTP/1.1 "), first
    headers = {}
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return Reply(int(first.split()[1]), headers, body)
