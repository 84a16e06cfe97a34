"""Bodies of requests and answers, within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from strop.serve.admission import Admission
from strop.serve.refusals import NotTaken, RequestError, TooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send


class LongResponse(Response):
    """An answer whose bytes `admission` counts until the client has read them.

    Raises:
        Busy: the bodies inside hold too much memory.
    """

    def __init__(
        self, content: bytes, headers: Mapping[str, str], media_type: str, admission: Admission
    ) -> None:
        super().__init__(content, headers=headers, media_type=media_type)
        self._admission = admission
        admission.hold(len(content))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, and wait until the client has read it."""
        try:
            start = {"type": "http.response.start", "headers": self.raw_headers}
            await send({**start, "status": self.status_code})
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._admission.release(len(self.body))


async def read(request: Request, longest: int, admission: Admission) -> bytes:
    """Read the body of a request; `admission` counts its bytes until `release`.

    Args:
        request: its headers have been read.
        longest: bytes that it may have.
        admission: counts the bytes that are held.

    Raises:
        TooLarge: it has more, or says so.
        NotTaken: it is compressed.
        Busy: the requests inside hold too much memory.
        ClientDisconnect: the client went away.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise NotTaken("the server takes no compressed bodies", "send it without Content-Encoding")
    if int(request.headers.get("content-length", 0)) > longest:  # the parser lets digits pass only
        raise _too_large(longest)
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            if size + len(piece) > longest:
                raise _too_large(longest)
            admission.hold(len(piece))
            size += len(piece)
            pieces.append(piece)
    except BaseException:
        admission.release(size)
        raise
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def header_length(request: Request, name: str) -> int | None:
    """Return the value of a header that is a number of bytes; None without it.

    Raises:
        RequestError: it is there twice, or no such number.
    """
    values = request.headers.getlist(name)
    if not values:
        return None
    if (
        len(values) > 1
        or not (values[0].isascii() and values[0].isdecimal())
        or len(values[0]) > 12
    ):
        raise RequestError(f"{name} must be a number of bytes, once")
    return int(values[0])


def _too_large(longest: int) -> TooLarge:
    return TooLarge(f"the body has more than {longest} bytes", "send fewer samples in a request")
