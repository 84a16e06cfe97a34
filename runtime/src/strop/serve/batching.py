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
from strop.serve.admission import Admission
from strop.serve.repository import Served

Arrays = tuple[NDArray[Any], ...]


class _Waiting(NamedTuple):
    model: Model  # of the version that its request was checked against
    arrays: Arrays  # (N, ...) for each input
    answers: asyncio.Future[Arrays]


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
        self._waiting.append(_Waiting(model, arrays, answers))
        if len(self._workers) < self._admission.threads:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        late = loop.call_later(self._admission.wait_s, self._refuse, self._waiting[-1])
        try:
            return await answers
        finally:
            late.cancel()

    def _refuse(self, one: _Waiting) -> None:
        """Refuse a request whose turn has not come in time."""
        for place, waiting in enumerate(self._waiting):
            if waiting is one:
                del self._waiting[place]
                _end(one, error=self._admission.late())
                return

    async def _work(self) -> None:
        while self._waiting:
            await self._run(self._take())

    def _take(self) -> list[_Waiting]:
        """Take the first that waits, and those behind it that fit."""
        taken = [self._waiting.popleft()]
        samples = len(taken[0].arrays[0])
        while self._waiting and self._waiting[0].model is taken[0].model:
            samples += len(self._waiting[0].arrays[0])
            if samples > self.served.joins:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _run(self, taken: Sequence[_Waiting]) -> None:
        model = taken[0].model
        if len(taken) == 1:
            arrays = taken[0].arrays
        else:
            arrays = tuple(
                np.concatenate(same) for same in zip(*(one.arrays for one in taken), strict=True)
            )
        call = partial(self.served.run, model, arrays)
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


def _end(
    one: _Waiting, *, answers: Arrays | None = None, error: BaseException | None = None
) -> None:
    """Give a request its answer, unless its client has gone away."""
    if one.answers.done():
        return
    if error is not None:
        one.answers.set_exception(error)
    elif answers is not None:
        one.answers.set_result(answers)
