"""A model in another process: forked with it, or sent by pickle."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.engines import blas
from strop.errors import StropError
from strop.model import forks
from tests import bundles
from tests.conftest import Exported
from tests.unit.runtime import doubles
from tests.unit.runtime.doubles import SpySession

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 4, 4)).astype(np.uint8)


def in_child(work: Callable[[], Any]) -> int:
    """Run a function in a forked process until Python exits, and return its exit status."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def model(image_path: Path) -> strop.Model:
    return strop.load(image_path)


def test_a_child_answers_as_its_parent_does(model: strop.Model) -> None:
    expected = model.predict(PIXELS)
    assert in_child(lambda: np.testing.assert_array_equal(model.predict(PIXELS), expected)) == 0
    np.testing.assert_array_equal(model.predict(PIXELS), expected)


def test_a_child_opens_a_session_of_its_own_and_never_closes_its_parents() -> None:
    parents = SpySession(lambda x: x[:, 0, :3], thread_safe=False)
    childs = SpySession(lambda x: x[:, 1, :3], thread_safe=False)
    model = doubles.model(bundles.image(), parents, more=lambda: childs)

    def work() -> None:
        np.testing.assert_array_equal(model.predict(PIXELS), PIXELS[:, 1, :3])
        model.close()
        assert (parents.closed, childs.closed) == (0, 1)

    assert in_child(work) == 0
    np.testing.assert_array_equal(model.predict(PIXELS), PIXELS[:, 0, :3])


@pytest.mark.parametrize("thread_safe", [True, False])
def test_a_fork_in_the_midst_of_a_call_leaves_no_lock_behind(thread_safe: bool) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def answer(inputs: Any) -> Any:
        inside.set()
        assert go_on.wait(60)
        return inputs[:, 0, :3]

    parents = SpySession(answer, thread_safe=thread_safe)
    model = doubles.model(
        bundles.image(), parents, more=lambda: SpySession(lambda x: x[:, 0, :3], thread_safe=False)
    )
    with ThreadPoolExecutor(1) as pool:
        outputs = pool.submit(model.predict, PIXELS)
        assert inside.wait(60)
        assert in_child(lambda: model.predict(PIXELS)) == 0
        go_on.set()
        np.testing.assert_array_equal(outputs.result(60), PIXELS[:, 0, :3])


def test_many_threads_of_a_child_open_the_model_once() -> None:
    opened: list[SpySession] = []

    def more() -> SpySession:
        opened.append(SpySession(lambda x: x[:, 0, :3]))
        return opened[-1]

    model = doubles.model(bundles.image(), SpySession(lambda x: x), more=more)

    def work() -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: model.predict(PIXELS), range(64)))
        assert len(opened) == 1

    assert in_child(work) == 0


def test_a_model_closed_before_the_fork_stays_closed(model: strop.Model) -> None:
    model.close()

    def work() -> None:
        with pytest.raises(StropError, match="closed"):
            model.predict(PIXELS)

    assert in_child(work) == 0


def test_a_child_that_only_closes_it_may() -> None:
    parents = SpySession(lambda x: x, thread_safe=False)
    model = doubles.model(bundles.image(), parents)

    def work() -> None:
        model.close()
        model.close()
        assert parents.closed == 0
        with pytest.raises(StropError, match="closed"):
            model.predict(PIXELS)

    assert in_child(work) == 0


def test_a_gpu_does_not_follow_and_the_message_says_what_does() -> None:
    session = SpySession(lambda x: x[:, 0, :3], thread_safe=False, adapter="a GPU")
    model = doubles.model(bundles.image(), session)

    def work() -> None:
        with pytest.raises(StropError, match=r"used after a fork; load it here, .* spawn"):
            model.predict(PIXELS)

    assert in_child(work) == 0


def test_what_engines_raise_on_opening_again_is_said() -> None:
    def more() -> Any:
        raise RuntimeError("no memory for this")

    model = doubles.model(bundles.image(), SpySession(lambda x: x), more=more)

    def work() -> None:
        for _ in range(2):
            with pytest.raises(StropError, match="RuntimeError: no memory for this"):
                model.predict(PIXELS)

    assert in_child(work) == 0


_LARGE_BATCHES = """
import os, sys, threading, warnings
import numpy as np, strop

warnings.simplefilter("ignore", DeprecationWarning)
model = strop.load(sys.argv[1], engine=sys.argv[2])
images = np.zeros((256, 28, 28), np.uint8)
right = model.predict(images).tobytes()
rounds = [0, 0]

def work(number):
    while True:
        assert model.predict(images).tobytes() == right
        rounds[number] += 1

for number in range(2):
    threading.Thread(target=work, args=(number,), daemon=True).start()
for _ in range(10):
    child = os.fork()
    if not child:
        os._exit(model.predict(images).tobytes() != right)
    before = list(rounds)
    assert os.waitpid(child, 0)[1] == 0
    while any(map(int.__eq__, rounds, before)):
        os.sched_yield()
os._exit(0)
"""


@pytest.mark.parametrize("engine", ["reference", "litert", "onnx"])
def test_a_fork_amid_large_batches_hangs_nobody(edge: Exported, engine: str) -> None:
    """NumPy's BLAS has threads for large batches, and ends them before a fork."""
    program = (sys.executable, "-c", _LARGE_BATCHES, edge.bundle("cpu"), engine)
    subprocess.run(program, timeout=120, check=True)


def test_a_fork_in_the_midst_of_products_and_in_handlers_goes_through() -> None:
    """A handler may fork while its own thread is in a call, or is about to fork."""
    with blas.own.lock:
        assert in_child(lambda: in_child(lambda: blas.wait())) == 0
        blas._before_fork()
        assert in_child(lambda: None) == 0
        blas._after_fork()
    assert not blas.forks


@pytest.mark.parametrize("lock", ["product", "opening"])
def test_a_fork_waits_on_when_a_handler_raises(monkeypatch: pytest.MonkeyPatch, lock: str) -> None:
    """Python reports what a hook of a fork raises, and forks all the same."""
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    inside, expired, done = (threading.Event() for _ in range(3))
    main = threading.get_ident()

    def work() -> None:
        with blas.own.lock if lock == "product" else blas.opening:
            inside.set()
            while not blas.forks:
                time.sleep(0.01)
            time.sleep(0.2)  # the fork waits for the lock
            signal.pthread_kill(main, signal.SIGALRM)
            assert expired.wait(60)
            done.set()

    def expire(number: int, frame: object) -> None:
        expired.set()
        raise TimeoutError("too late")

    before = signal.signal(signal.SIGALRM, expire)
    working = threading.Thread(target=work)
    working.start()
    assert inside.wait(60)
    assert in_child(lambda: None) == 0
    assert done.is_set()
    signal.signal(signal.SIGALRM, before)
    working.join()
    assert [str(one.exc_value) for one in reported] == ["too late"]
    assert not blas.forks
    for other in (blas.opening, blas._gate, *blas._locks):  # all are free again
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(other.acquire, timeout=60).result()
            pool.submit(other.release).result()


def test_models_that_are_gone_are_not_followed(image_path: Path) -> None:
    before = set(forks._followers)
    strop.load(image_path).close()
    gc.collect()
    assert set(forks._followers) <= before


class TestPickle:
    @pytest.mark.parametrize("send", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
    def test_a_copy_is_a_model_of_its_own(
        self, model: strop.Model, send: Callable[[strop.Model], strop.Model]
    ) -> None:
        with send(model) as copied:
            model.close()
            np.testing.assert_allclose(
                copied.predict(PIXELS), bundles.answer(bundles.image(), PIXELS), atol=1e-5
            )
            assert repr(copied) == repr(model)

    def test_a_closed_one_does_not_travel(self, model: strop.Model) -> None:
        model.close()
        with pytest.raises(StropError, match="closed"):
            pickle.dumps(model)
