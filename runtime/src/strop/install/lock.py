"""A lock between processes, with one holder at a time, that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

_LOOK_S = 0.05  # between two tries
_held: set[int] = set()


class Held(Exception):
    """Another process holds the lock; the message is its process id, or "" if that is not known."""


@contextlib.contextmanager
def hold(path: str, wait_s: float, notify: Callable[[str], None]) -> Iterator[None]:
    """Hold a file's lock (flock) for the length of a `with`.

    The file is made if it is missing, and holds the holder's process id for people to read. It
    stays: if it were removed while another process waits for it, there would be two locks.

    Args:
        path: the file.
        wait_s: seconds to wait for another holder.
        notify: called once, with the holder's process id or "", when there is a wait.

    Raises:
        Held: another process still holds it.
        OSError: the file cannot be opened for writing, or its file system has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    _held.add(descriptor)
    try:
        end = time.monotonic() + wait_s
        notified = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _holder(descriptor)
                if time.monotonic() >= end:
                    raise Held(holder) from None
                if not notified:
                    notify(holder)
                    notified = True
                time.sleep(_LOOK_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        if descriptor in _held:  # else this is a fork, which has let go
            _held.remove(descriptor)
            os.close(descriptor)


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 20, 0).decode("ascii", "replace")
    return text if text.isdecimal() else ""


def _let_go() -> None:
    """Close the held files in a forked process, which has their locks too.

    Without this, a fork that hangs would hold a lock after its parent died.
    """
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
