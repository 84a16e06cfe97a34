"""Clocks of a device: one that only goes forward, and the wall clock, which may be wrong."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Clock(NamedTuple):
    """Where the agent has its times from.

    Attributes:
        seconds: since this boot, sleep included. Nobody can set it.
        boot: names this boot; seconds of two boots cannot be compared.
        unix: seconds since 1970, by the wall clock: for people, and to number the first report.
    """

    seconds: Callable[[], float]
    boot: str
    unix: Callable[[], float]

    def utc(self) -> str:
        """Return the wall clock's time, in UTC."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.unix()))


def system_clock() -> Clock:
    """Return this device's clock; without Linux's name of the boot, each process is one boot."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:  # noqa: PTH123
            boot = file.read(100).strip()
    except OSError:
        boot = str(uuid.uuid4())
    return Clock(_since_boot, boot, time.time)


def _since_boot() -> float:
    """Return seconds since boot; time.monotonic stands still while a Linux device sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
