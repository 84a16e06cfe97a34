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

from strop.engines.held_signals import HeldSignals

if TYPE_CHECKING:  # an app waits for every import
    from typing import Any

WAIT_S = 10.0  # for products in flight: longer than any takes, so that no fork waits for ever

# Held while a thread of ours opens a model. A child forked in between would have an engine's own
# locks, held by a thread that it does not have.
opening = RLock()
_locks: WeakSet[Any] = WeakSet()
_gate = RLock()  # held by a fork, and shortly by a new thread
# The signals and the locks that each fork under way holds; a signal's handler may begin another.
forks: list[tuple[HeldSignals, list[Any]]] = []


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
    signals = HeldSignals()
    try:
        signals.hold()
    finally:  # a handler may run just before it is held
        _take_locks(signals)


def _take_locks(signals: HeldSignals) -> None:
    opening.acquire()  # before the gate, which a thread that opens a model may wait for
    _gate.acquire()
    held = [_gate, opening]
    forks.append((signals, held))
    end = time.monotonic() + WAIT_S
    for lock in tuple(_locks):
        if lock.acquire(timeout=max(0.0, end - time.monotonic())):
            held.append(lock)


def _after_in_child() -> None:
    signals, held = forks.pop()
    for lock in held:
        lock.release()
    signals.let_go()


def _after_in_parent() -> None:
    signals = forks[-1][0]
    _after_in_child()
    signals.deliver()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
