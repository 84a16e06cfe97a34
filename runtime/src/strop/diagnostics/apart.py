"""Calling a function in a separate process, so that a crash or a hang is only a result.

The process is a fork: it has the same modules and paths as this one, and stays on the same
processor if one is emulated. A new program might not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from strop.device.cpu import pairs, text
from strop.errors import StropError

_PIPE_HOLDS = 65536  # bytes that can be written to a pipe before anybody reads
_LONGEST_LINE = 2000
# To any one file: a GPU's driver may keep all the shaders that it has compiled in one.
_MOST_WRITTEN_BYTES = 2**28
_LONGEST_ALARM_S = 2**31 - 1  # that a 32-bit kernel takes
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.02  # between looks at the child
_SIGNALS = {
    "SIGILL": "illegal instruction",
    "SIGSEGV": "bad memory access",
    "SIGBUS": "bad memory access",
    "SIGABRT": "it gave up",
    "SIGFPE": "bad arithmetic",
    "SIGKILL": "killed, perhaps from lack of memory",
}


class NoAnswer(Exception):
    """The process died, or was stopped for taking too long; the message says which."""

    def __init__(self, words: str, *, killed_by: str = "", timed_out: bool = False) -> None:
        super().__init__(words)
        self.killed_by = killed_by  # the signal it died of
        self.timed_out = timed_out


def can_ask() -> bool:
    """Tell whether this system has what `ask` needs."""
    return hasattr(os, "fork")


def ask(question: Callable[[], Any], limit_s: float, *, spare_bytes: int | None = None) -> Any:
    """Call the question in a separate process, and return its answer. Its output is dropped.

    Call it from a program with one thread: it forks. If the machine runs out of memory, the kernel
    ends the other process before any of its neighbours. If this process ends, the kernel ends the
    other one with it. No file that the other one writes gets larger than 256 MiB.

    Args:
        question: called in the other process.
        limit_s: how long it may take, in seconds.
        spare_bytes: how much memory it may take beyond what it starts with; None: any.

    Returns:
        The question's answer, in JSON's types, of at most 64 kB.

    Raises:
        NoAnswer: the process gave none.
        StropError: this system has no fork, or cannot start one more process.
    """
    if not can_ask():
        raise StropError(
            f"engines cannot be tried in separate processes: {sys.platform} has no fork",
            "use Linux or macOS for this",
        )
    reader, writer = os.pipe()
    listener, noise = os.pipe()
    with warnings.catch_warnings():  # numpy's threads are idle, and its BLAS handles a fork
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            child = os.fork()
        except OSError as error:
            for end in (reader, writer, listener, noise):
                os.close(end)
            raise StropError(
                f"cannot start a process: {error.strerror}", "end others, or raise their limit"
            ) from None
    if child == 0:
        for end in (reader, listener):  # they are the parent's alone, and go with it
            os.close(end)
        _answer(question, writer, noise, limit_s, spare_bytes)
    os.close(writer)
    os.close(noise)
    try:
        status, last_bytes = _wait(child, listener, limit_s)
        answer = _read(reader)
    finally:
        os.close(reader)
        os.close(listener)
    if status is None:
        raise NoAnswer(f"did not answer in {limit_s:g} s", timed_out=True)
    # There is none, or half of one, or one that is nested without end.
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(answer)
    raise _no_answer(status, _last_line(last_bytes))


def spare_memory_bytes() -> int | None:
    """Return the bytes of memory that are free for programs; None if the system does not say.

    To take that much makes no other program wait for memory.
    """
    return _bytes_of("/proc/meminfo", "MemAvailable")


def _limit_memory(spare_bytes: int | None) -> None:
    """Limit this process's memory, and make it the first that the kernel ends from lack of memory.

    The limit is on what it may write to (RLIMIT_DATA), not on what it has addresses for
    (RLIMIT_AS): CUDA takes addresses for all of the memory that there is.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    held_bytes = _bytes_of("/proc/self/status", "VmData")
    if spare_bytes is not None and held_bytes is not None:
        import resource

        _lower(resource.RLIMIT_DATA, held_bytes + spare_bytes)


def _lower(kind: int, most: int) -> None:
    """Lower a limit of this process, for good; one that is lower already stays."""
    import resource

    soft, hard = (
        most if old == resource.RLIM_INFINITY else min(old, most)
        for old in resource.getrlimit(kind)
    )
    resource.setrlimit(kind, (soft, hard))


def _end_with_parent(writer: int, limit_s: float) -> None:
    """Have the kernel end this process if its parent cannot, by signals that nobody handles.

    That ends native code that never returns as well. The pipe sends SIGIO to the whole group once
    nobody is left to read it; the alarm is for a parent that lives and does not look.
    """
    import fcntl

    signals = (signal.SIGIO, signal.SIGALRM)
    for number in signals:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    fcntl.fcntl(writer, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_ASYNC)
    signal.setitimer(signal.ITIMER_REAL, min(limit_s + 1, _LONGEST_ALARM_S))


def _bytes_of(path: str, name: str) -> int | None:
    """Read a quantity that the kernel gives in kB, as bytes; None if it does not give it."""
    try:
        return int(pairs(text(path), ":")[name][0].removesuffix(" kB")) * 1024
    except (KeyError, ValueError):
        return None


def _wait(child: int, listener: int, limit_s: float) -> tuple[int | None, bytes]:
    """Wait for the child, and read what is printed there meanwhile, so that it can go on.

    Returns:
        Its exit status, None if it had to be killed, with all that it started; and the last bytes
        that it printed.
    """
    end = time.monotonic() + limit_s
    pause_s = _SHORTEST_PAUSE_S
    last_bytes = b""
    try:
        while time.monotonic() < end:
            ended, status = os.waitpid(child, os.WNOHANG)
            printed = _read(listener)
            last_bytes = (last_bytes + printed)[-_LONGEST_LINE:]
            if ended:
                return status, last_bytes
            if len(printed) < _PIPE_HOLDS:  # else there is more
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.25, _LONGEST_PAUSE_S)
    except BaseException:  # ^C
        _kill(child)
        raise
    _kill(child)
    return None, last_bytes


def _kill(child: int) -> None:
    for kill in (os.killpg, os.kill):  # it may not yet lead a group
        with contextlib.suppress(ProcessLookupError):
            kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _read(reader: int) -> bytes:
    """Read what is in a pipe, without waiting.

    Something that the child started may hold the pipe open for ever.
    """
    os.set_blocking(reader, False)
    with contextlib.suppress(BlockingIOError):
        return os.read(reader, _PIPE_HOLDS)
    return b""


def _no_answer(status: int, last_words: str) -> NoAnswer:
    """Return the error to raise for a process that ended without an answer."""
    said = f"; its last output: {last_words}" if last_words else ""
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        return NoAnswer(f"ended with exit {code} and no answer{said}")
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        name = f"signal {number}"
    meaning = f" ({_SIGNALS[name]})" if name in _SIGNALS else ""
    return NoAnswer(f"died of {name}{meaning}{said}", killed_by=name)


def _last_line(printed: bytes) -> str:
    lines = printed.decode("utf-8", "backslashreplace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _answer(
    question: Callable[[], Any],
    writer: int,
    noise: int,
    limit_s: float,
    spare_bytes: int | None,
) -> NoReturn:
    """Answer in the child, and end it.

    Everything that libraries print is noise and is kept apart; the answer goes through the pipe.
    """
    code = 1
    try:
        os.setsid()  # a group that can be killed as a whole
        _end_with_parent(writer, limit_s)
        import resource

        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_FSIZE, _MOST_WRITTEN_BYTES)
        _limit_memory(spare_bytes)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for here, there in ((nothing, 0), (noise, 1), (noise, 2)):
            os.dup2(here, there)
        # Python's own streams may write elsewhere than to 1 and 2.
        sys.stdout = sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        os.write(writer, json.dumps(question()).encode("ascii"))
        code = 0
    except BaseException:  # noqa: BLE001  the last words
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        os._exit(code)  # no clean-up that was this process's parent's
