"""Connections: in how many pieces answers go, and how much waits for clients that do not read."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from starlette.applications import Starlette
from uvicorn.server import ServerState

from strop.serve.connection import Answer, Connection, limited
from strop.serve.limits import Limits

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Sent(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("written", "pieces"),
    [
        ([HEAD, b"{}"], [HEAD + b"{}"]),
        ([HEAD, b""], [HEAD]),
        ([HEAD, b"{", b"}"], [HEAD + b"{", b"}"]),
        ([HEAD, bytes(2**17)], [HEAD, bytes(2**17)]),
        (
            [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"{}"],
            [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"{}"],
        ),
    ],
)
def test_the_head_goes_with_the_body(written: list[bytes], pieces: list[bytes]) -> None:
    sent = Sent()
    answer = Answer(sent)
    for data in written:
        answer.write(data)
    answer.close()
    assert sent.pieces == pieces
    assert sent.closed


def test_a_head_without_a_body_is_sent_before_the_end() -> None:
    sent = Sent()
    answer = Answer(sent)
    answer.write(HEAD)
    answer.close()
    assert sent.pieces == [HEAD]


class Full(asyncio.Transport):
    """A transport whose client does not read."""

    aborted = False

    def get_write_buffer_size(self) -> int:
        return 60

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def test_answers_that_are_not_read_have_a_bound() -> None:
    async def paused() -> tuple[list[bool], int]:
        kind = limited(Limits(bodies_bytes=100))
        config = uvicorn.Config(Starlette(), ws="none", lifespan="off", log_config=None)
        transports = [Full(), Full()]
        made: list[Connection] = []
        for transport in transports:
            made.append(kind(config, ServerState(), {}))
            made[-1].connection_made(transport)
            made[-1].pause_writing()
        aborted = [transport.aborted for transport in transports]
        made[1].connection_lost(ConnectionResetError())
        made[0].resume_writing()
        return aborted, kind.unread_bytes

    assert asyncio.run(paused()) == ([False, True], 0)
