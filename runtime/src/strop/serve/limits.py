"""The limits of a server."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Limits of a server; beyond them, a request is refused.

    Attributes:
        body_bytes: the longest body of a request, and about that of an answer to several samples.
        json_bytes: the longest JSON in it: parsed, JSON takes up to 30 times its size.
        bodies_bytes: all bodies of requests and long answers that are held at the same time.
        head_bytes: the request line and all headers.
        requests: requests that are read, wait or run at the same time.
        connections: open connections.
        read_s: seconds for a request to arrive, from its first byte to its last, and for its answer
            to be read.
        wait_s: seconds that a request may wait for its turn to run.
        idle_s: seconds that a connection may stay open without a request.
        stop_s: seconds for the requests in flight, after the server was asked to stop.
    """

    body_bytes: int = 2**24
    json_bytes: int = 2**22
    bodies_bytes: int = 2**27
    head_bytes: int = 2**14
    requests: int = 64
    connections: int = 1024
    read_s: float = 10.0
    wait_s: float = 5.0
    idle_s: float = 75.0
    stop_s: float = 30.0
