"""When to poll next: evenly, but not at the same time as others, and less often while it fails."""

from __future__ import annotations

import random
from collections.abc import Callable

LONGEST_S = 3600.0  # between two polls that fail, unless polls are further apart anyway
SPREAD = 0.2  # of each pause, either way: devices that start together do not stay together


class Backoff:
    """Pauses between polls: doubled by each failure in a row, up to an hour.

    Args:
        poll_s: seconds between two polls, while all is well.
        uniform: gives a random number between two, each equally likely.
    """

    def __init__(
        self, poll_s: float, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._poll_s = poll_s
        self._pause_s = poll_s
        self._uniform = uniform

    def next_s(self, *, failed: bool) -> float:
        """Return the seconds until the next poll.

        Args:
            failed: whether the last one failed. After the first of a row the pause is the usual
                one.
        """
        pause_s = self._pause_s if failed else self._poll_s
        doubled_s = min(2 * pause_s, max(self._poll_s, LONGEST_S))
        self._pause_s = doubled_s if failed else self._poll_s
        return pause_s * self._uniform(1 - SPREAD, 1 + SPREAD)
