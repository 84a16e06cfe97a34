"""Joins requests that wait for the same model into one call, where that pays.

No request waits for others to come: those that arrive while a call runs are joined in the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.errors import InputError
from strop.model.model import Model
from strop.serve.admission import Admission, waited
from strop.serve.repository import Served

Arrays = tuple[NDArray[Any], ...]


class _Waiting(NamedTuple):
    model: Model  # of the version that its request was checked against
    arrays: Arrays  # (N, ...) for each input
    answers: asyncio.Future[Arrays]  # also ends when it has waited too long
    timer: asyncio.TimerHandle


class Batcher:
    """Runs the calls of one model; it belongs to one event loop.

    Attributes:
        served: the model.
    """

    def __init__(self, admission: Admission, served: Served) -> None:
        self._admission = admission
        self.served = served
        self._waiting: deque[_Waiting] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def run(self, model: Model, arrays: Arrays) -> Arrays:
        """Run a model on (N, ...) for each input, maybe with those of other requests.

        Raises:
            Busy: no thread was free in time.
            StropError: the model refuses these inputs, or failed.
        """
        loop = asyncio.get_running_loop()
        answers: asyncio.Future[Arrays] = loop.create_future()
        wait_s = self._admission.wait_s
        timer = loop.call_later(wait_s, _give_up, answers, wait_s)
        self._waiting.append(_Waiting(model, arrays, answers, timer))
        if len(self._workers) < self._admission.threads:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await answers

    async def _work(self) -> None:
        while taken := self._take():
            await self._run(taken)

    def _take(self) -> list[_Waiting]:
        """Take the first that still waits, and those behind it that fit; none is left if empty."""
        taken: list[_Waiting] = []
        samples = 0
        while self._waiting:
            one = self._waiting[0]
            samples += len(one.arrays[0])
            if taken and (one.model is not taken[0].model or samples > self.served.joins):
                break
            one.timer.cancel()
            self._waiting.popleft()
            if one.answers.done():  # it has waited too long, or its task was cancelled
                samples -= len(one.arrays[0])
            else:
                taken.append(one)
        return taken

    async def _run(self, taken: Sequence[_Waiting]) -> None:
        model = taken[0].model
        if len(taken) == 1:
            arrays = taken[0].arrays
        else:
            arrays = tuple(
                np.concatenate(same) for same in zip(*(one.arrays for one in taken), strict=True)
            )
        call = partial(self.served.run, model, arrays, len(taken))
        try:
            answers = await self._admission.run(call, self.served.expected_s(len(arrays[0])))
        except BaseException as error:
            if isinstance(error, InputError) and len(taken) > 1:
                for one in taken:  # the fault of one is not the others'
                    await self._run([one])
                return
            for one in taken:
                _end(one, error=error)
            if not isinstance(error, Exception):
                raise
        else:
            ends = np.cumsum([0, *(len(one.arrays[0]) for one in taken)]).tolist()
            for one, (start, end) in zip(taken, pairwise(ends), strict=True):
                _end(one, answers=tuple(array[start:end] for array in answers))


def _give_up(answers: asyncio.Future[Arrays], waited_s: float) -> None:
    if not answers.done():
        answers.set_exception(waited(waited_s))


def _end(
    one: _Waiting, *, answers: Arrays | None = None, error: BaseException | None = None
) -> None:
    """Give a request its answer, unless its task was cancelled."""
    if one.answers.done():
        return
    if error is not None:
        one.answers.set_exception(error)
    elif answers is not None:
        one.answers.set_result(answers)
