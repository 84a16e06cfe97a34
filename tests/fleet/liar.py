"""A proxy on loopback before a registry, which changes what it answers.

    with liar.before(running.host) as lying:
        lying.lie("/blobs/", corrupt)          # each answer whose path has this in it
        lying.lie("/blobs/", cut(100), times=1)

A lie gets the exchange and changes its answer. `lying.asked` lists the requests.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_DROPPED = {"connection", "transfer-encoding", "content-length"}
_MAX_ENDLESS_BYTES = 64 * 2**20  # a client that reads so much of an endless body has failed
_STALL_S = 30.0


@dataclass
class Exchange:
    """A request, and the answer that will be sent."""

    method: str
    path: str
    asked: dict[str, str]
    status: int
    headers: dict[str, str]
    body: bytes
    length: int | None = None  # what Content-Length says; None: the truth
    cut_after: int | None = None  # bytes of the body; then the connection is lost
    stall_after: int | None = None  # bytes of the body; then nothing comes
    endless: bool = False


Lie = Callable[[Exchange], None]


@dataclass
class Rule:
    """A lie, and what it is told about."""

    part: str  # of the path
    lie: Lie
    method: str
    times: int | None  # None: always


@dataclass
class Liar:
    """The proxy that runs.

    Attributes:
        host: its own, with the port.
        asked: the requests: method, path, and headers with names in lower case.
    """

    host: str
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def lie(self, part: str, lie: Lie, *, method: str = "GET", times: int | None = None) -> None:
        """Change the answers to requests of this method whose path has this part."""
        self.rules.append(Rule(part, lie, method, times))

    def tell(self, exchange: Exchange) -> None:
        for rule in self.rules:
            if rule.part in exchange.path and rule.method == exchange.method and rule.times != 0:
                if rule.times is not None:
                    rule.times -= 1
                rule.lie(exchange)


def corrupt(exchange: Exchange) -> None:
    """Change one bit in the middle of the body."""
    middle = len(exchange.body) // 2
    flipped = bytes((exchange.body[middle] ^ 1,))
    exchange.body = exchange.body[:middle] + flipped + exchange.body[middle + 1 :]


def cut(after: int) -> Lie:
    """Lose the connection after so many bytes of the body."""

    def lie(exchange: Exchange) -> None:
        exchange.cut_after = after

    return lie


def stall(after: int) -> Lie:
    """Send so many bytes of the body, and then nothing."""

    def lie(exchange: Exchange) -> None:
        exchange.stall_after = after

    return lie


def endless(exchange: Exchange) -> None:
    """Send a body that does not end."""
    exchange.endless = True


def answer(status: int, body: bytes = b"", **headers: str) -> Lie:
    """Answer this instead; `_` in the name of a header is `-`."""

    def lie(exchange: Exchange) -> None:
        exchange.status, exchange.body = status, body
        exchange.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    return lie


def instead(body: bytes) -> Lie:
    """Give another body, as if it were the right one."""

    def lie(exchange: Exchange) -> None:
        exchange.body = body

    return lie


@contextlib.contextmanager
def before(upstream: str, *, ranges: bool = True) -> Iterator[Liar]:
    """Run a proxy before the registry at this host and port.

    Args:
        upstream: the registry.
        ranges: False hides from it that a part was asked for.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            asked = {name.lower(): value for name, value in self.headers.items()}
            liar.asked.append((self.command, self.path, asked))
            self._send(self._forward(asked, body))

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _handle  # noqa: N815

        def _forward(self, asked: dict[str, str], body: bytes) -> Exchange:
            connection = http.client.HTTPConnection(upstream, timeout=30)
            sent = {n: v for n, v in asked.items() if n != "range" or ranges}
            try:
                connection.request(self.command, self.path, body=body, headers=sent)
                given = connection.getresponse()
                content = given.read()
                headers = dict(given.getheaders())
                status = given.status
            except OSError:
                headers, status, content = {}, 502, b""
            finally:
                connection.close()
            made = Exchange(self.command, self.path, asked, status, headers, content)
            if self.command == "HEAD":
                made.length = int(headers.get("Content-Length", 0))
            liar.tell(made)
            return made

        def _send(self, made: Exchange) -> None:
            self.send_response(made.status)
            for name, value in made.headers.items():
                if name.lower() not in _DROPPED:
                    self.send_header(name, value)
            if not made.endless:
                length = len(made.body) if made.length is None else made.length
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "HEAD":
                return
            ends = made.cut_after is not None or made.stall_after is not None or made.endless
            first = made.cut_after if made.cut_after is not None else made.stall_after
            with contextlib.suppress(OSError):
                self.wfile.write(made.body[:first])
                if made.stall_after is not None:
                    liar.stopped.wait(_STALL_S)
                sent = 0
                while made.endless and sent < _MAX_ENDLESS_BYTES and not liar.stopped.is_set():
                    sent += self.wfile.write(bytes(64 * 2**10))
            if ends:
                self.close_connection = True

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # the client has had enough
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        liar = Liar(f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield liar
        finally:
            liar.stopped.set()
            server.shutdown()
            thread.join()
