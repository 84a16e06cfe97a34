"""Trying an engine in a process of its own, so that a crash or a hang is an answer too.

The process is a fork: it sees the very modules and paths that this one does, and stays on the same
processor where one is emulated, which a program started anew might not.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import tempfile
import time
import warnings
from dataclasses import dataclass
from typing import IO, Any, NoReturn

from strop.errors import EngineUnavailable, root_cause

_PIPE_HOLDS = 65536  # bytes that can be written to a pipe before anybody reads
_LONGEST_MESSAGE = 2000
_SIGNALS: dict[int, str] = {
    signal.SIGILL: "illegal instruction",
    signal.SIGSEGV: "bad memory access",
    signal.SIGBUS: "bad memory access",
    signal.SIGABRT: "it gave up",
    signal.SIGFPE: "bad arithmetic",
    signal.SIGKILL: "killed, perhaps for want of memory",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a probe: nothing in `error` means that the engine gave the known answer."""

    version: str = ""  # of the package, once it is imported
    error: str = ""  # the engine's own words, or ours
    killed_by: str = ""  # the signal it died of
    timed_out: bool = False


def probe(engine: str, limit_s: float) -> Outcome:
    """Open the known model on an engine, run it, and compare.

    Call it from a program with one thread: it forks.
    """
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as noise:
        with warnings.catch_warnings():  # numpy's threads are idle, and its BLAS handles a fork
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _answer(engine, writer, noise)
        os.close(writer)
        try:
            status = _wait(child, limit_s)
            answer = _read(reader)
        finally:
            os.close(reader)
        if status is None:
            return Outcome(error=f"did not answer in {limit_s:g} s", timed_out=True)
        if answer:
            return Outcome(**answer)
        return _death(status, _last_line(noise))


def _wait(child: int, limit_s: float) -> int | None:
    """The child's exit status; None if it had to be killed, with all that it started."""
    end = time.monotonic() + limit_s
    try:
        while time.monotonic() < end:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.02)
    except BaseException:  # ^C
        _kill(child)
        raise
    _kill(child)
    return None


def _kill(child: int) -> None:
    for kill in (os.killpg, os.kill):  # it may not yet lead a group
        with contextlib.suppress(ProcessLookupError):
            kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _read(reader: int) -> dict[str, Any]:
    """The answer, if there is one; what the child started may hold the pipe open for ever."""
    os.set_blocking(reader, False)
    with contextlib.suppress(BlockingIOError, ValueError):
        content: dict[str, Any] = json.loads(os.read(reader, _PIPE_HOLDS))
        return content
    return {}


def _death(status: int, last_words: str) -> Outcome:
    said = f"; its last words: {last_words}" if last_words else ""
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        return Outcome(error=f"ended with exit {code} and no answer{said}")
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        name = f"signal {number}"
    meaning = f" ({_SIGNALS[number]})" if number in _SIGNALS else ""
    return Outcome(error=f"died of {name}{meaning}{said}", killed_by=name)


def _last_line(noise: IO[bytes]) -> str:
    noise.seek(0, os.SEEK_END)
    noise.seek(max(0, noise.tell() - _LONGEST_MESSAGE))
    lines = noise.read().decode("utf-8", "backslashreplace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _answer(engine: str, writer: int, noise: IO[bytes]) -> NoReturn:
    """The child: everything libraries print is noise, the answer goes through the pipe."""
    try:
        os.setsid()  # a group that can be killed as a whole
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        for here, there in ((nothing, 0), (noise.fileno(), 1), (noise.fileno(), 2)):
            os.dup2(here, there)
        content = {"version": "", "error": ""}
        try:
            _try(engine, content)
        except EngineUnavailable as error:  # says it all
            content["error"] = str(error)[:_LONGEST_MESSAGE]
        except BaseException as error:  # noqa: BLE001  an engine may raise anything, even SystemExit
            content["error"] = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
        os.write(writer, json.dumps(content).encode("ascii"))
    finally:
        os._exit(0)  # no clean-up that was this process's parent's


def _try(engine: str, content: dict[str, str]) -> None:
    """Open and run as `strop.load` would; what is known is put down as soon as it is."""
    try:
        import numpy as np

        from strop import engines, probe_models
    except Exception as error:  # noqa: BLE001  numpy wraps what went wrong in advice
        content["error"] = root_cause(error)[:_LONGEST_MESSAGE]
        return
    opener = engines.get(engine)
    content["version"] = opener.version()
    data, variant = probe_models.model(opener.format or "")
    session = opener.open(data, variant, device="cpu", threads=1)
    (output,) = session.run((probe_models.SAMPLE,))
    if not np.array_equal(output, probe_models.ANSWER):
        found, right = (np.asarray(row).ravel().tolist() for row in (output, probe_models.ANSWER))
        content["error"] = f"computes wrongly: {found} instead of {right}"
