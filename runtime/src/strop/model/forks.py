"""Open models in a forked process.

Only the thread that forked runs on in the child. The work of the other threads stays as it
was: a lock that is taken, an interpreter half-way through a network, a thread pool that no longer
exists. So the child neither uses nor takes apart any native object of the parent's: ending a
session there may wait for threads that do not exist.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:  # a protocol takes Python longer to make than all else here
    from typing import Protocol

    class Follower(Protocol):
        """An object that is told when the process is forked."""

        def after_fork(self) -> None:
            """Handle the fork; called in the child, while it has one thread."""


_followers: WeakSet[Follower] = WeakSet()


def follow(follower: Follower) -> None:
    """Have `after_fork` called in every process forked off while the follower lives."""
    _followers.add(follower)


def leave(held: object) -> None:
    """Keep an object, and all it holds, until the process is gone, even after Python's own end."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


def _after_fork() -> None:
    for follower in tuple(_followers):
        follower.after_fork()


if hasattr(os, "register_at_fork"):  # where there is no fork, there is nothing to follow
    os.register_at_fork(after_in_child=_after_fork)
