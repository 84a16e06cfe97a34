"""Keeping an engine's notes off a command's screen."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import NoReturn, TextIO

_NOTE = b"INFO: "  # how LiteRT's notes begin; it has no setting for them
_MARK = b"\0"  # asks for a byte once all before it is shown; no line holds it
_PIECE_BYTES = 65536
_SHOWN_S = 10.0  # longer than a busy machine keeps a process waiting
_END_S = 1.0


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Leave out of stderr the lines by which LiteRT's native code says that all is well.

    A separate process passes on the rest, so that the last message of an engine that crashes is
    still seen. Python's own stderr stays the terminal; `settle` keeps its lines out of the others.
    Where there is no fork, or stderr is not this process's own, nothing is left out.
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
    try:
        child, writer, answers = _start(shown)
    except OSError:  # no process, or no descriptor, is left
        os.close(shown)
        yield
        return
    # Native code's stdout is stderr by now; the command writes its results elsewhere.
    native = (2,) if _writes_to_1(sys.stdout) else (1, 2)
    for descriptor in native:
        os.dup2(writer, descriptor)
    os.close(writer)
    stream = sys.stderr = _Stderr(shown, answers, ours.encoding)
    try:
        yield
    finally:
        stream.settle()
        for descriptor in native:
            os.dup2(shown, descriptor)  # the end of the pipe, for the other process
        _wait(child)
        stream.close()
        sys.stderr = ours
        os.close(answers)


def settle() -> None:
    """Wait until native code's lines are shown, so that what Python prints comes behind them."""
    if isinstance(sys.stderr, _Stderr):
        sys.stderr.settle()


class _Stderr(io.TextIOWrapper):
    """Python's stderr, beside which another process shows native code's."""

    def __init__(self, shown: int, answers: int, encoding: str) -> None:
        super().__init__(open(shown, "wb"), encoding, "backslashreplace", line_buffering=True)  # noqa: SIM115  closed with it
        self._answers = answers
        self._poll = select.poll()
        self._poll.register(answers, select.POLLIN)
        self._is_stuck = False

    def settle(self) -> None:
        """Ask the other process to show all that it was given, and wait; but not for ever."""
        if self._is_stuck:
            return
        with contextlib.suppress(OSError):  # it has ended
            if self._poll.poll(0):
                os.read(self._answers, _PIECE_BYTES)  # to what native code wrote
            os.write(2, _MARK)
            if self._poll.poll(1000 * _SHOWN_S):
                os.read(self._answers, _PIECE_BYTES)
            else:
                self._is_stuck = True


def _start(shown: int) -> tuple[int, int, int]:
    """Start the process that passes lines on.

    Returns:
        Its id, the descriptor to write to, and that of its answers to marks.
    """
    reader, writer = os.pipe()
    try:
        answers, answering = os.pipe()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    # ^C is for the command; the child keeps it blocked.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.close(answers)
            os.set_blocking(answering, False)
            _pass_on(reader, shown, answering)
    except OSError:
        os.close(writer)
        os.close(answers)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reader)
        os.close(answering)
    return child, writer, answers


def _wait(child: int) -> None:
    """Wait for its end, but not for a process that an engine left behind with our stderr."""
    end = time.monotonic() + _END_S
    while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < end:
        time.sleep(0.002)


def _writes_to_1(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):  # a program has put its own there
        return True


def _pass_on(reader: int, shown: int, answering: int) -> NoReturn:
    """Copy all lines but notes, to the end of the pipe; in the child, and end it."""
    try:
        rest = b""
        while piece := os.read(reader, _PIECE_BYTES):
            *lines, rest = (rest + piece.replace(_MARK, b"")).split(b"\n")
            os.write(shown, b"".join(line + b"\n" for line in lines if not line.startswith(_NOTE)))
            if rest and not _NOTE.startswith(rest[: len(_NOTE)]):  # such as a progress line
                os.write(shown, rest)
                rest = b""
            if _MARK in piece:
                with contextlib.suppress(OSError):  # nobody reads
                    os.write(answering, _MARK)
        os.write(shown, rest)
    finally:
        os._exit(0)
