"""Serial ports without hardware: a pseudo-terminal, with a board at its other end."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator

REQUEST = b"strop check\n"
LONGEST_S = 60  # of a scripted board's life


class Line:
    """A scripted board's end of the line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ends_s = time.monotonic() + LONGEST_S
        self.stopped = threading.Event()

    @property
    def alive(self) -> bool:
        return not self.stopped.is_set() and time.monotonic() < self._ends_s

    def write(self, content: bytes) -> None:
        """Write, unless nobody reads any more."""
        while content and self.alive:
            if select.select([], [self._descriptor], [], 0.05)[1]:
                content = content[os.write(self._descriptor, content[:512]) :]

    def wait_for(self, request: bytes = REQUEST) -> bool:
        """Wait until the host asks; False if the test is over."""
        received = b""
        while self.alive:
            if select.select([self._descriptor], [], [], 0.05)[0]:
                received += os.read(self._descriptor, 512)
                if request in received:
                    return True
        return False

    def hang_up(self) -> None:
        """Close this end, as a board that is unplugged."""
        os.close(self._descriptor)
        self._descriptor = -1


@contextlib.contextmanager
def port() -> Iterator[tuple[str, int]]:
    """Yield the name of a serial port, and the descriptor of its other end."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    try:
        yield name, ours
    finally:
        os.close(theirs)
        with contextlib.suppress(OSError):  # it has hung up
            os.close(ours)


@contextlib.contextmanager
def scripted(board: Callable[[Line], None]) -> Iterator[str]:
    """Yield the name of a port at which a board runs a function until the test is over."""
    with port() as (name, descriptor):
        line = Line(descriptor)
        thread = threading.Thread(target=board, args=(line,))
        thread.start()
        try:
            yield name
        finally:
            line.stopped.set()
            thread.join()
