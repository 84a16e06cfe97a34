"""How many requests are in the server, how much memory they hold, and whose turn it is to run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from strop.serve.limits import Limits
from strop.serve.refusals import Busy

# A call that is expected to take less runs where it is: a change of threads costs 50 us or more.
_SHORT_S = 300e-6

Result = TypeVar("Result")


class Admission:
    """Admits requests as long as there is room, and runs their calls on a few threads.

    It belongs to one event loop.

    Attributes:
        inside: the requests that are inside.
        held_bytes: their bodies.
        threads: the calls that run at the same time.
        wait_s: seconds that a request may wait for its turn.
    """

    def __init__(self, limits: Limits, threads: int) -> None:
        self._limits = limits
        self.wait_s = limits.wait_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="strop-serve")
        self._turns = asyncio.Semaphore(threads)
        self.threads = threads
        self.inside = 0
        self.held_bytes = 0

    def __enter__(self) -> Admission:
        if self.inside >= self._limits.requests:
            raise Busy(f"{self.inside} requests are being answered", "send it again later")
        self.inside += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.inside -= 1

    def hold(self, size: int) -> None:
        """Count the bytes of a body; `release` them later.

        Raises:
            Busy: the bodies inside hold too much memory already.
        """
        if self.held_bytes + size > self._limits.bodies_bytes:
            raise Busy("the requests inside hold all the memory there is for them", "send it later")
        self.held_bytes += size

    def release(self, size: int) -> None:
        """Count the bytes of a body no longer."""
        self.held_bytes -= size

    async def run(self, call: Callable[[], Result], expected_s: float) -> Result:
        """Run a call: a short one at once, a long one on a thread when it has its turn.

        Args:
            call: what is to run.
            expected_s: about how long it takes; infinity if that is not known.

        Raises:
            Busy: no thread was free in time.
        """
        if expected_s < _SHORT_S:
            return call()
        try:
            await asyncio.wait_for(self._turns.acquire(), self.wait_s)
        except (asyncio.TimeoutError, TimeoutError):
            raise self.late() from None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        finally:
            self._turns.release()

    def late(self) -> Busy:
        """Return the error of a request whose turn has not come in time."""
        return Busy(f"no thread was free in {self.wait_s:g} s", "send it again later")

    def close(self) -> None:
        """End the threads, after the calls that run."""
        self._pool.shutdown(wait=True, cancel_futures=True)
