"""Bodies of requests, read within limits."""

from __future__ import annotations

from starlette.requests import Request

from strop.serve.admission import Admission
from strop.serve.refusals import NotTaken, RequestError, TooLarge


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
