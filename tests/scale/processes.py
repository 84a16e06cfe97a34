"""Processes that are found again by a mark in their environment, whatever session they are in."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Mapping
from pathlib import Path

_POLL_S = 0.1


def mark() -> dict[str, str]:
    """Make a variable that no other process has."""
    return {"STROP_SCALE_RUN": secrets.token_hex(8)}


def kill_left(variable: Mapping[str, str], within_s: float) -> list[int]:
    """Wait for the end of all processes with a mark; kill those that have not ended.

    Returns:
        Those that were killed.
    """
    ends = time.monotonic() + within_s
    while (left := _with(variable)) and time.monotonic() < ends:
        time.sleep(_POLL_S)
    for number in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return left


def _with(variable: Mapping[str, str]) -> list[int]:
    ((name, value),) = variable.items()
    entry = f"{name}={value}".encode("ascii")
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if entry in environment.split(b"\0"):
            found.append(int(path.parent.name))
    return found
