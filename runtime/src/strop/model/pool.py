"""Sessions of an engine that takes one caller at a time: as many as there are callers, to a limit.

If threads share an interpreter, calls fail, and some return wrong answers. A lock around
a single one leaves all cores but one idle. The first session is there from the start, and serves
alone while one thread calls; others are opened when callers meet.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock  # threading takes a millisecond to import
from itertools import count
from typing import TYPE_CHECKING

from strop.errors import let_handlers_raise

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Callable
    from typing import Any, NoReturn

    from strop.engines.base import Session


MOST_SESSIONS = 4  # each takes the memory of a model's activations, and some of its weights


class Slot:
    """A session, and the lock that its present caller holds."""

    __slots__ = ("lock", "run", "sessions")

    def __init__(self, session: Session) -> None:
        self.lock = allocate_lock()
        self.run: Callable[[Any], Any] = session.run
        self.sessions = [session]  # none once closed

    def close(self, refuse: Callable[[Any], NoReturn]) -> None:
        """Refuse later callers; release the session, now or when the call in flight is done.

        Args:
            refuse: what later calls run instead; it raises.
        """
        self.run = refuse
        try:
            session = self.sessions.pop()
        except IndexError:  # another thread was here
            return
        # Later calls are refused. A call in flight holds its session, and nothing
        # else does: it goes with the call. Waiting for it could be for ever, in a signal's handler.
        if not self.lock.locked():
            with self.lock:
                session.close()


class Pool:
    """Runs each call on a session that no other caller uses."""

    def __init__(self, first: Session, another: Callable[[], Session], most: int | None) -> None:
        """Take the first session.

        Args:
            first: the session that is open already.
            another: opens one more; called when all are in use.
            most: how many there may be, 1 or more; None: as many as there are CPUs to use, at most
                `MOST_SESSIONS`.
        """
        self.first = Slot(first)
        self._slots = [self.first]
        self._another = another
        self._most = most
        self._growing = allocate_lock()
        self._turns = count()
        self._refuse: Callable[[Any], NoReturn] | None = None

    def run(self, samples: Any) -> Any:
        """Run a batch as the session's `run` does, from any number of threads at once.

        Args:
            samples: (N, ...), as the session takes them.

        Returns:
            The session's outputs; no other caller has these arrays.
        """
        slot = self._free()
        with slot.lock:
            return slot.run(samples)

    def close(self, refuse: Callable[[Any], NoReturn]) -> None:
        """Answer later calls with `refuse`, and release the sessions; calls in flight end as usual.

        Args:
            refuse: what later calls run instead; it raises.
        """
        self._refuse = refuse
        for slot in self._slots:
            slot.close(refuse)

    def is_busy(self) -> bool:
        """Tell whether a call is in flight."""
        return any(slot.lock.locked() for slot in self._slots)

    def _free(self) -> Slot:
        """Return a slot that was free a moment ago, or a new one, or one to wait for."""
        for slot in self._slots:
            if not slot.lock.locked():
                return slot
        if self._most is None:
            from strop.device.cpu import usable_cores

            self._most = min(usable_cores(), MOST_SESSIONS)
        if len(self._slots) < self._most and not self._growing.locked():
            with self._growing:
                if len(self._slots) < self._most:
                    self._grow()
                    return self._slots[-1]
        return self._slots[next(self._turns) % len(self._slots)]

    def _grow(self) -> None:
        try:
            slot = Slot(self._another())
        except Exception as error:  # noqa: BLE001  no memory for one more, say: the others suffice
            let_handlers_raise(error, sys._getframe())
            self._most = len(self._slots)
            return
        self._slots.append(slot)
        if self._refuse is not None:  # closed meanwhile, by one who may not have seen it
            slot.close(self._refuse)
