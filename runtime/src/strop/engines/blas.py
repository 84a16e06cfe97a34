"""Work that a fork must not interrupt: calls into NumPy's BLAS, and the opening of a model.

OpenBLAS ends its threads before a fork and starts them again after it. A thread that is inside a
product at that moment waits for ever for its helpers, and the child hangs too. So a fork waits for
the products that Strop has in flight, and no other begins until the fork is done.

All these locks are taken by one hook, because the order of several depends on the imports.
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

# Held while a thread of ours opens a model. A child forked in between would have an engine's own
# locks, held by a thread that it does not have.
opening = RLock()
_locks: WeakSet[Any] = WeakSet()
_gate = RLock()  # held by a fork, and shortly by a new thread
forks: list[list[Any]] = []  # the locks of each fork under way: a signal's handler may fork too


class _Own(_local):
    """A lock for each thread: calls never wait for each other, and a fork waits for all of them.

    A signal handler runs between matrix products, never during one. If it forks, its thread may
    take its own lock a second time.
    """

    def __init__(self) -> None:
        with _gate:
            self.lock = RLock()
            _locks.add(self.lock)


own = _Own()  # `with own.lock:` around products, after `wait` if there are `forks`


def wait() -> None:
    """Wait until running forks are done: a busy thread would otherwise keep taking its lock."""
    with _gate:
        """A fork holds this to its end."""


def _before_fork() -> None:
    raised: list[BaseException] = []
    end = time.monotonic() + WAIT_S
    held: list[Any] = []
    forks.append(held)
    # First that of a thread that opens a model: it may wait at the gate. New locks wait there too.
    for lock in (opening, _gate):
        _take(lock, end, held, raised)
    for lock in tuple(_locks):
        _take(lock, end, held, raised)
    if raised:
        raise raised[0]  # Python reports what a hook raises, and goes on with the fork


def _take(lock: Any, end: float, held: list[Any], raised: list[BaseException]) -> None:
    """Wait for a lock, also if a signal's handler raises meanwhile."""
    while True:
        try:
            if lock.acquire(timeout=max(0.0, end - time.monotonic())):
                held.append(lock)
        except BaseException as error:  # noqa: BLE001
            raised.append(error)
        else:
            return


def _after_fork() -> None:
    for lock in forks.pop():
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
