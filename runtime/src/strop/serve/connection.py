"""A connection that costs bounded time and memory, whatever the client sends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from strop.serve.limits import Limits

_RETRY_S = 1
_CONTINUE = b"HTTP/1.1 100"  # comes before the answer
_SHORT_BYTES = 2**16  # the copy of a longer body takes longer than a system call


class Answer:
    """The transport of one answer, which sends the head with the body: a system call less.

    uvicorn writes the head as soon as it has it.

    Args:
        transport: the connection's.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Keep the head of the answer; send it with what comes next."""
        if self._head is None and not data.startswith(_CONTINUE):
            self._head = data
            return
        if self._head:
            head, self._head = self._head, b""
            if len(data) <= _SHORT_BYTES:
                data = head + data
            else:
                self._transport.write(head)
        self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, and close the connection."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the connection closes."""
        return self._transport.is_closing()


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits that uvicorn lacks.

    uvicorn waits for ever for a request that never ends, for one that never begins, and for a
    client that does not read its answer; and it takes headers of any length.
    """

    limits = Limits()
    # Of the class, which all connections of a server share:
    stopping = False  # each connection ends with its next answer
    unread_bytes = 0  # of answers that clients have not read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse a connection too many; else wait a while for its first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # `pause_writing` is called for any byte that waits
        self._timer: asyncio.TimerHandle | None = None
        self._unread: tuple[int, asyncio.TimerHandle] | None = None
        self._head_bytes = 0
        self._in_head = True
        self._arriving = False
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "too many connections are open", retry=True)
            return
        self._wait(self.limits.read_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._wait(None)
        self._forget_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read, and count what waits for it."""
        super().pause_writing()
        size, kind = self.transport.get_write_buffer_size(), type(self)
        self._unread = size, self.loop.call_later(self.limits.read_s, self.transport.abort)
        kind.unread_bytes += size
        if kind.unread_bytes > self.limits.bodies_bytes:
            self.transport.abort()

    def resume_writing(self) -> None:
        """Stop this clock."""
        self._forget_unread()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse a head that is too long."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._timer is None and not self.transport.is_closing():
            if self._arriving:
                self._wait(self.limits.read_s, "the request did not arrive in time")
            elif self.cycle is None or self.cycle.response_complete:
                self._wait(self.limits.read_s)  # for an empty line, uvicorn stopped its own clock
        if self._in_head:  # still, or again
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(431, f"the headers have more than {self.limits.head_bytes} bytes")

    def on_message_begin(self) -> None:
        """Note that a request arrives; its clock starts if it does not come whole."""
        super().on_message_begin()
        self._arriving = self._in_head = True
        self._head_bytes = self._sum = 0
        self._wait(None)

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._sum += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._sum += len(name) + len(value) + 4
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse a head that came whole and is too long; else hand the request to the app."""
        self._in_head = False
        if self._sum > self.limits.head_bytes:
            self._refuse(431, f"the headers have more than {self.limits.head_bytes} bytes")
            return
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # whose answer has no body
            self.cycle.transport = Answer(self.transport)  # type: ignore[assignment]
        if self.stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock of the request."""
        self._arriving = False
        self._wait(None)
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(400, "this is not an HTTP request")

    def _wait(self, seconds: float | None, problem: str | None = None) -> None:
        """Set the timer, or with None stop it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._late, problem)

    def _forget_unread(self) -> None:
        if self._unread is not None:
            size, timer = self._unread
            timer.cancel()
            type(self).unread_bytes -= size
            self._unread = None

    def _late(self, problem: str | None) -> None:
        if problem is None:
            self.transport.close()
        else:
            self._refuse(408, problem)

    def _refuse(self, status: int, problem: str, *, retry: bool = False) -> None:
        """Answer with an error and close; if the app has begun its own answer, only close."""
        begun = self.cycle is not None and not self.cycle.response_complete
        answered = self.cycle is not None and self.cycle.response_started
        if not answered or (self._in_head and not begun):
            body = json.dumps({"error": problem}).encode()
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: application/json\r\nconnection: close\r\n"
                + (b"retry-after: %d\r\n" % _RETRY_S if retry else b"")
                + b"content-length: %d\r\n\r\n" % len(body)
                + body
            )
        if begun:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def limited(limits: Limits) -> type[Connection]:
    """Return a class of connections with these limits."""
    made: dict[str, Any] = {"limits": limits}
    return type("LimitedConnection", (Connection,), made)
