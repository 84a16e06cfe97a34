"""Calls into NumPy's BLAS, which a fork must not interrupt.

OpenBLAS ends its threads before a fork and starts them again after it. A thread that is inside a
product at that moment waits for ever for its helpers, and the child hangs too. So a fork waits for
the products that Strop has in flight, and no other begins until the fork is done.
"""

from __future__ import annotations

import os
import time
from _thread import RLock, _local  # threading takes a millisecond to import
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:  # an app waits for every import
    from typing import Any

WAIT_S = 10.0  # for products in flight: longer than any takes, so that no fork waits for ever

_locks: WeakSet[Any] = WeakSet()
_gate = RLock()  # held by a fork, and shortly by a new thread
forks: list[list[Any]] = []  # the locks of each fork under way: a signal's handler may fork too


class _Own(_local):
    """A lock for each thread: calls never wait for each other, and a fork waits for all of them.

    A handler of a signal runs between products, never inside one. So a thread that forks there may
    take its own lock once more.
    """

    def __init__(self) -> None:
        with _gate:
            self.lock = RLock()
            _locks.add(self.lock)


own = _Own()  # `with own.lock:` around products, after `wait` if there are `forks`


def wait() -> None:
    """Wait for the forks under way; without that a busy thread would take its lock again first."""
    with _gate:
        """A fork holds this to its end."""


def _before_fork() -> None:
    _gate.acquire()
    held = [_gate]
    forks.append(held)
    end = time.monotonic() + WAIT_S
    for lock in tuple(_locks):
        if lock.acquire(timeout=max(0.0, end - time.monotonic())):
            held.append(lock)


def _after_fork() -> None:
    for lock in forks.pop():
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
