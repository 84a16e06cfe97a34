"""Several sessions behind one model: none is shared, and no more are opened than allowed."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from strop.errors import StropError
from strop.model.pool import MOST_SESSIONS, Pool
from tests.unit.runtime.doubles import SpySession

SAMPLES = np.zeros((1, 3))


def _refuse(samples: Any) -> Any:
    raise StropError("closed")


class Opened:
    """Sessions that record the number of concurrent callers; the first is already open."""

    def __init__(self, most: int | None, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.sessions: list[SpySession] = []
        self.pool = Pool(self.another(), self.another, most)

    def another(self) -> SpySession:
        session = SpySession(lambda x: x, thread_safe=False, pause_s=self.pause_s)
        self.sessions.append(session)
        return session

    def storm(self, threads: int, calls: int) -> None:
        with ThreadPoolExecutor(threads) as workers:
            list(workers.map(lambda _: self.pool.run(SAMPLES), range(calls)))


def test_one_caller_after_another_needs_one_session() -> None:
    opened = Opened(most=4)
    for _ in range(100):
        opened.pool.run(SAMPLES)
    assert opened.pool.first.sessions == opened.sessions
    assert [len(session.calls) for session in opened.sessions] == [100]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_nobody_shares_a_session_and_no_more_are_opened_than_allowed(most: int) -> None:
    opened = Opened(most, pause_s=0.002)
    opened.storm(threads=8, calls=200)
    assert len(opened.sessions) == most
    assert [session.most_inside for session in opened.sessions] == [1] * most
    assert sum(len(session.calls) for session in opened.sessions) == 200


def test_by_default_there_are_as_many_as_cpus_and_not_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for cores, expected in ((1, 1), (2, 2), (64, MOST_SESSIONS)):
        monkeypatch.setattr("strop.device.cpu.usable_cores", lambda cores=cores: cores)
        opened = Opened(most=None, pause_s=0.005)
        opened.storm(threads=8, calls=64)
        assert len(opened.sessions) == expected


def test_what_cannot_be_opened_once_more_is_done_without() -> None:
    tries = []

    def another() -> SpySession:
        tries.append(1)
        raise MemoryError

    first = SpySession(lambda x: x, thread_safe=False, pause_s=0.002)
    pool = Pool(first, another, 4)
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda _: pool.run(SAMPLES), range(50)))
    assert len(first.calls) == 50
    assert len(tries) == 1
    assert first.most_inside == 1


def test_a_signal_handler_may_call_while_its_thread_is_inside() -> None:
    """It finds the first session taken by its own thread, and uses another."""
    inside: list[Any] = []

    def answer(samples: Any) -> Any:
        if not inside:
            inside.append(1)
            signal.raise_signal(signal.SIGUSR1)
        return samples

    sessions: list[SpySession] = []

    def another() -> SpySession:
        sessions.append(SpySession(answer, thread_safe=False))
        return sessions[-1]

    pool = Pool(another(), another, 2)
    before = signal.signal(signal.SIGUSR1, lambda *_: inside.append(pool.run(SAMPLES)))
    try:
        pool.run(SAMPLES)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(inside) == 2
    assert [len(session.calls) for session in sessions] == [1, 1]


class TestClosing:
    def test_every_session_is_closed_once(self) -> None:
        opened = Opened(most=3, pause_s=0.002)
        opened.storm(threads=6, calls=60)
        opened.pool.close(_refuse)
        opened.pool.close(_refuse)
        assert [session.closed for session in opened.sessions] == [1, 1, 1]
        with pytest.raises(StropError, match="closed"):
            opened.pool.run(SAMPLES)

    def test_a_session_opened_while_the_pool_is_closed_is_closed_too(self) -> None:
        entered, go_on = threading.Event(), threading.Event()
        late = SpySession(lambda x: x, thread_safe=False)

        def wait(samples: Any) -> Any:
            entered.set()
            assert go_on.wait(60)
            return samples

        def another() -> SpySession:
            pool.close(_refuse)
            return late

        pool = Pool(SpySession(wait, thread_safe=False), another, 2)
        with ThreadPoolExecutor(1) as workers:
            first = workers.submit(pool.run, SAMPLES)
            assert entered.wait(60)
            with pytest.raises(StropError, match="closed"):
                pool.run(SAMPLES)
            go_on.set()
            np.testing.assert_array_equal(first.result(60), SAMPLES)
        assert late.closed == 1
        assert late.calls == []
