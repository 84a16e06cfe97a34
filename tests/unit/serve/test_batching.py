"""Requests of a model that wait are run in one call, and each gets its own answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from strop.errors import InputError
from strop.model.tuned import Joined
from strop.serve.admission import Admission
from strop.serve.batching import Arrays, Batcher
from strop.serve.limits import Limits
from strop.serve.refusals import Busy
from strop.serve.repository import Served
from tests import bundles
from tests.profiles import CALIBRATION, counted, pictures, profiled

LIMITS = Limits()
RANDOM = np.random.default_rng(1)


@pytest.fixture
def model(tmp_path: Path) -> strop.Model:
    return strop.load(bundles.image().write(tmp_path / "shapes.strop"))


class Slow(Served):
    """A model whose calls take a while, so that requests come in meanwhile."""

    def __init__(self, model: strop.Model, joins: int) -> None:
        super().__init__(model, joins)
        self.sizes: list[int] = []
        self.call_s = 0.05

    def expected_s(self, samples: int) -> float:
        return self.call_s

    def run(self, model: strop.Model, arrays: Sequence[NDArray[Any]], requests: int = 1) -> Arrays:
        self.sizes.append(len(arrays[0]))
        time.sleep(self.call_s)
        if (arrays[0] == 255).all(axis=(1, 2)).any():
            raise InputError("white")
        return super().run(model, arrays, requests)


def _ask(
    served: Served, requests: Sequence[Arrays], limits: Limits = LIMITS
) -> Sequence[Arrays | BaseException]:
    """Send all requests at once."""

    async def all_of_them() -> Sequence[Arrays | BaseException]:
        admission = Admission(limits, 1)
        batcher = Batcher(admission, served)
        calls = [batcher.run(served.model, arrays) for arrays in requests]
        try:
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            admission.close()

    return asyncio.run(all_of_them())


def test_joined_requests_are_counted_as_the_samples_that_they_are(tmp_path: Path) -> None:
    path = profiled(bundles.image(), CALIBRATION).write(tmp_path / "shapes.strop")
    alone = counted(path, pictures(9))
    served = Slow(strop.load(path, count_every=1), joins=16)
    answers = _ask(served, [(pictures(9)[i : i + 1],) for i in range(9)])
    assert not [one for one in answers if isinstance(one, BaseException)]
    assert served.sizes == [9]
    counts = served.model.counts()
    assert (counts.calls, counts.samples) == (1, 9)
    assert (counts.inputs, counts.outputs) == (alone.inputs, alone.outputs)


def test_each_gets_its_own_answer(model: strop.Model) -> None:
    requests = [(RANDOM.integers(0, 255, (n, 4, 4)).astype(np.uint8),) for n in (1, 3, 2, 1, 9, 1)]
    served = Slow(model, joins=8)
    answers = _ask(served, requests)
    for (samples,), answer in zip(requests, answers, strict=True):
        assert isinstance(answer, tuple)
        assert np.allclose(answer[0], model.predict(samples), atol=1e-6)
    # The first does not wait for others. Then as many as fit; more than fit run alone.
    assert served.sizes in ([1, 6, 9, 1], [7, 9, 1])
    counts = served.counts[model.version]
    assert (counts.requests, counts.samples, counts.calls) == (6, 17, len(served.sizes))


def test_none_waits_longer_than_it_may(model: strop.Model) -> None:
    requests = [(np.zeros((8, 4, 4), np.uint8),)] * 4
    served = Slow(model, joins=8)
    served.call_s = 1
    first, *others = _ask(served, requests, Limits(wait_s=0.5))
    assert isinstance(first, tuple)
    assert all(isinstance(answer, Busy) for answer in others)
    assert served.sizes == [8]


def test_the_fault_of_one_is_not_the_others(model: strop.Model) -> None:
    white = (np.full((1, 4, 4), 255, np.uint8),)
    good = (np.zeros((1, 4, 4), np.uint8),)
    answers = _ask(Slow(model, joins=8), [good, good, white, good])
    assert [isinstance(answer, InputError) for answer in answers] == [False, False, True, False]


def test_another_model_than_the_tuned_one_is_not_joined(
    model: strop.Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served = Slow(model, joins=8)
    assert served.joins == 8
    with strop.load(bundles.image(seed=2).write(tmp_path / "new.strop")) as newer:
        monkeypatch.setattr(served, "_opened", newer)
        assert served.joins == 0


def test_a_fault_of_the_engine_ends_all(model: strop.Model) -> None:
    model.close()
    good = (np.zeros((1, 4, 4), np.uint8),)
    answers = _ask(Slow(model, joins=8), [good] * 3)
    assert all(isinstance(answer, strop.StropError) for answer in answers)


def test_a_request_waits_no_longer_than_it_may(model: strop.Model) -> None:
    one = (np.zeros((8, 4, 4), np.uint8),)
    served = Slow(model, joins=8)
    answers = _ask(served, [one] * 8, Limits(wait_s=0.12))  # 50 ms each
    late = [isinstance(answer, Busy) for answer in answers]
    assert late == sorted(late)
    assert 1 <= late.count(False) == len(served.sizes) <= 4


@pytest.mark.parametrize(
    ("one_us", "several_us", "pays"),
    [
        (1000, 4000, True),
        (1000, 15000, False),
        (20, 30, False),
        (200, 2461, True),
        (199, 199, False),
    ],
)
def test_joining_pays_for_long_calls_that_gain(
    one_us: float, several_us: float, pays: bool
) -> None:
    assert Joined(16, one_us, several_us).pays is pays
