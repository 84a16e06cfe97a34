"""The end of open models: after a `with`, and with the program.

As a program ends, Python stops the threads that nobody waits for (daemon threads) where they next
ask for the interpreter lock. A thread that returns from an engine's C++ code at that moment takes
the whole process with it: "terminate called without an active exception", and an exit status of
SIGABRT. So once the program ends, calls from other threads wait for the end, and the end waits a
short time for the calls that are in flight. From Python 3.14 on, such threads are left hanging
instead, and none of this matters.
"""

from __future__ import annotations

import _thread
import atexit
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:  # a protocol takes Python longer to make than all else here
    from typing import Protocol, Self

    class Follower(Protocol):
        """An object that is told when the program ends."""

        def before_exit(self) -> None:
            """Let no other thread begin a call from now on; called as the program ends."""

        def is_busy(self) -> bool:
            """Tell whether a thread is inside."""


WAIT_S = 2.0  # for calls in flight; whoever ends a program does not wait for a day's batch
_A_TURN_S = 0.01  # twice the time that Python lets a thread run before it switches

_followers: WeakSet[Follower] = WeakSet()


class Closing:
    """A base class of everything that has to be closed; the end of a `with` closes it."""

    def close(self) -> None:
        """Release everything that is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def follow(follower: Follower) -> None:
    """Tell the follower when the program ends, if it still lives then."""
    _followers.add(follower)


def wait_for_it() -> None:
    """Never return; other threads go on meanwhile."""
    lock = _thread.allocate_lock()
    with lock, lock:
        """Nobody gets here: the second waits for the first."""


def _before_exit() -> None:
    if not _thread._count():  # threads beside this one
        return
    followers = tuple(_followers)
    for follower in followers:
        follower.before_exit()
    end, idle = time.monotonic() + WAIT_S, 0
    # Twice: a thread may have been about to go in when it was last its turn.
    while followers and idle < 2 and time.monotonic() < end:
        time.sleep(_A_TURN_S)
        idle = 0 if any(follower.is_busy() for follower in followers) else idle + 1


atexit.register(_before_exit)
