"""Asking the app whether it is healthy: a command of its own, with a deadline.

The command may hang, print without end, or start other processes. It runs in a process group of its
own, which is killed as a whole when it ends or is late. Of its output the last bytes are kept.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence

from strop.errors import StropError, one_line, printable

KEPT_BYTES = 4096  # of the output's end
_PIECE_BYTES = 65536
_LOOK_S = 0.05  # between two looks at a command that prints nothing
_MOST_PIECES = 64  # read after the command's end, of what it had printed
_LONGEST = 200  # characters of the last line


def ask(
    command: Sequence[str], limit_s: float, *, folder: str, bundle: str, model_version: int
) -> str:
    """Run the app's command, and return why the app is not healthy; "" if it is.

    The command finds in its environment STROP_FOLDER, the folder that `strop install` keeps,
    STROP_BUNDLE, the path of the bundle that is current there, and STROP_MODEL_VERSION. The app is
    healthy if the command ends with status 0 in time.

    Args:
        command: the program, and its arguments; no shell looks at them.
        limit_s: seconds it may take.
        folder: the folder of installs.
        bundle: the path of the current bundle.
        model_version: the bundle's.

    Raises:
        StropError: the command cannot be started.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
        "STROP_FOLDER": folder,
        "STROP_BUNDLE": bundle,
        "STROP_MODEL_VERSION": str(model_version),
    }
    end_s = time.monotonic() + limit_s
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise StropError(
                f"cannot run {printable(command[0])}: {why}", "see `healthy` in the settings"
            ) from None
        finally:
            os.close(writer)
        try:
            in_time, output = _follow(process, reader, end_s)
        finally:
            status = _end(process)
    finally:
        os.close(reader)
    last = one_line(_last_line(output))[:_LONGEST]
    said = f": {last}" if last else ""
    if not in_time:
        return f"the app's command gave no answer in {limit_s:g} s{said}"
    if status < 0:
        return f"the app's command was ended by {_name(-status)}{said}"
    return f"the app is not healthy, status {status}{said}" if status else ""


def _follow(process: subprocess.Popen[bytes], reader: int, end_s: float) -> tuple[bool, bytes]:
    """Read what a process prints until it ends; return whether that was in time, and the output.

    The process is not waited for: until then nobody else can have its number, nor its group's.
    """
    output, is_open = b"", True
    while True:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        left_s = end_s - time.monotonic()
        if not ended and left_s <= 0:
            return False, output
        if is_open and not ended:
            select.select([reader], [], [], min(left_s, _LOOK_S))
        elif not ended:
            time.sleep(min(left_s, _LOOK_S))
        for _ in range(_MOST_PIECES if ended else 1):
            piece = _read(reader) if is_open else None
            if not piece:
                is_open = is_open and piece is None
                break
            output = (output + piece)[-KEPT_BYTES:]
        if ended:
            return True, output


def _read(reader: int) -> bytes | None:
    """Return what has been printed: None if nothing has, b"" if nobody can print any more."""
    try:
        return os.read(reader, _PIECE_BYTES)
    except BlockingIOError:
        return None


def _end(process: subprocess.Popen[bytes]) -> int:
    """Kill all that is left of a process group; return the exit status of its first process."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
