"""The lock of the benchmarks."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.files import CACHE, NotMeasurable


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lock of the benchmarks: parallel runs would disturb each other.

    Raises:
        NotMeasurable: another run holds it.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotMeasurable("another run is measuring here: wait until it ends") from None
        yield
