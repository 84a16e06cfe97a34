"""Keeping an engine's notes off a command's screen."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

_NOTE = b"INFO: "  # how LiteRT's notes begin; it has no setting for them
_PIECE_BYTES = 65536


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Leave out of stderr the lines by which LiteRT's native code says that all is well.

    A separate process passes on the rest, so that the last message of an engine that crashes is
    still seen. Python's own stderr stays the terminal. Where there is no fork, or stderr is not
    this process's own, nothing is left out.
    """
    ours = sys.__stderr__
    if not hasattr(os, "fork") or ours is None or sys.stderr is not ours:
        yield
        return
    try:
        shown = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    ours.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        _pass_on(reader, shown)
    os.close(reader)
    os.dup2(writer, 2)
    os.close(writer)
    sys.stderr = open(shown, "w", 1, ours.encoding, "backslashreplace")  # noqa: SIM115, PTH123
    try:
        yield
    finally:
        os.dup2(shown, 2)  # the end of the pipe, for the other process
        os.waitpid(child, 0)
        sys.stderr.close()
        sys.stderr = ours


def _pass_on(reader: int, shown: int) -> NoReturn:
    """Copy all lines but notes, to the end of the pipe; in the child, and end it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for the command, which then ends us
        rest = b""
        while piece := os.read(reader, _PIECE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            os.write(shown, b"".join(line + b"\n" for line in lines if not line.startswith(_NOTE)))
            if rest and not _NOTE.startswith(rest[: len(_NOTE)]):  # such as a progress line
                os.write(shown, rest)
                rest = b""
        os.write(shown, rest)
    finally:
        os._exit(0)
