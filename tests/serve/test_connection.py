"""The transport of an answer: what it sends, and in how many pieces."""

from __future__ import annotations

import asyncio

import pytest

from strop.serve.connection import Answer

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
