"""A connection that costs bounded time and memory, whatever the client sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sized
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from strop.serve.limits import Limits
from strop.serve.refusals import Busy

_PIPELINED = 64  # requests that may wait on a connection for the answer to an earlier one
_BODIES = (b"content-length", b"transfer-encoding")
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


class Flow(FlowControl):
    """uvicorn's flow control, which reads no more requests while some wait.

    uvicorn reads on whenever an application reads a body or has answered.

    Args:
        transport: the connection's.
        waiting: the requests that wait for the answer to an earlier one.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless requests wait."""
        if not self._waiting:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits that uvicorn lacks.

    uvicorn waits for ever for a request that never ends, for one that never begins, and for a
    client that does not read its answer. It takes headers and trailers of any length, and any
    number of requests that wait.
    """

    limits = Limits()
    # Of the class, which all connections of a server share:
    stopping = False  # each connection ends with its next answer
    unread_bytes = 0  # of answers that clients have not read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse a connection too many; else wait a while for its first request."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        transport.set_write_buffer_limits(high=0)  # `pause_writing`: the client is behind
        self._timer: asyncio.TimerHandle | None = None
        self._unread: tuple[int, asyncio.TimerHandle] | None = None
        self._idle_bytes = 0
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
        """Give the client a while to read what it has asked for, and count what waits for it."""
        super().pause_writing()
        size, kind = self.transport.get_write_buffer_size(), type(self)
        self._unread = size, self.loop.call_later(self.limits.read_s, self.transport.abort)
        kind.unread_bytes += size
        if kind.unread_bytes > self.limits.bodies_bytes:
            self.transport.abort()

    def resume_writing(self) -> None:
        """Note that the client has read all."""
        self._forget_unread()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse what brings neither a head nor a body for too long.

        That is a head or a trailer that is too long, the extension of a chunk, or empty lines.
        """
        if self.transport.is_closing():
            return
        self._idle = True
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._timer is None:
            if self._arriving:
                self._wait(self.limits.read_s, "the request did not arrive in time")
            elif self.cycle is None or self.cycle.response_complete:
                self._wait(self.limits.read_s)  # empty lines, which stopped uvicorn's timer
        self._idle_bytes = self._idle_bytes + len(data) if self._idle else 0
        if self._idle_bytes > self.limits.head_bytes:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Note that a request arrives; its clock starts if it does not come whole."""
        super().on_message_begin()
        self._arriving = self._in_head = True
        self._head_bytes = 0
        self._wait(None)

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; drop a trailer."""
        if self._in_head:
            self._head_bytes += len(name) + len(value) + 4
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse a head that came whole and cannot be served; else hand the request to the app."""
        self._in_head = self._idle = False
        if self.transport.is_closing():
            return
        if self._head_bytes > self.limits.head_bytes:
            self._refuse_head()
            return
        if len(self.pipeline) >= _PIPELINED:
            self._refuse(400, f"more than {_PIPELINED} requests wait on this connection")
            return
        upgrades = self.parser.should_upgrade()  # the parser then takes no body, and nothing after
        if upgrades and any(name in _BODIES for name, _ in self.headers):
            self._refuse(400, "a request with a body cannot upgrade; send it without Upgrade")
            return
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # whose answer has no body
            self.cycle.transport = Answer(self.transport)  # type: ignore[assignment]
        if self.stopping or upgrades:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless the request was refused."""
        self._idle = False
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock of the request."""
        self._arriving = self._idle = False
        self._wait(None)
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(400, "this is not an HTTP request")

    def _refuse_head(self) -> None:
        self._refuse(431, f"the headers have more than {self.limits.head_bytes} bytes")

    def _forget_unread(self) -> None:
        if self._unread is not None:
            size, timer = self._unread
            timer.cancel()
            type(self).unread_bytes -= size
            self._unread = None

    def _wait(self, seconds: float | None, problem: str | None = None) -> None:
        """Set the timer, or with None stop it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._late, problem)

    def _late(self, problem: str | None) -> None:
        if problem is None:
            self.transport.close()
        else:
            self._refuse(408, problem)

    def _refuse(self, status: int, problem: str, *, retry: bool = False) -> None:
        """Answer with an error and close; if the app has begun its own answer, only close."""
        if self.transport.is_closing():
            return
        begun = self.cycle is not None and not self.cycle.response_complete
        answered = self.cycle is not None and self.cycle.response_started
        if not answered or (self._in_head and not begun):
            body = json.dumps({"error": problem}).encode()
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: application/json\r\nconnection: close\r\n"
                + (b"retry-after: %d\r\n" % Busy.retry_after_s if retry else b"")
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
