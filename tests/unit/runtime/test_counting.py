"""A model that counts what it meets and answers."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import random
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import strop
from strop.bundle import counts as counts_module
from strop.bundle.counts import Counts, matches, read_counts
from strop.bundle.open import open_bundle
from strop.errors import BundleError, InputError, StropError, StropWarning
from strop.model import counting, profile
from strop.model.counting import CountingModel
from tests import bundles
from tests.profiles import profiled
from tests.unit.runtime.test_forks import in_child

PIXELS = np.random.default_rng(0).integers(0, 256, (200, 4, 4)).astype(np.uint8)
Models = Callable[..., CountingModel]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return profiled(bundles.image(), PIXELS).write(tmp_path / "shapes.strop")


@pytest.fixture
def model(path: Path) -> CountingModel:
    return opened(path, 1)


def opened(path: Path, every: int, **options: Any) -> CountingModel:
    found = strop.load(path, count_every=every, **options)
    assert isinstance(found, CountingModel)
    return found


def wanted(path: Path, samples: NDArray[Any], answers: NDArray[Any]) -> tuple[Any, Any]:
    """What counting all samples gives, by another way: NumPy's histograms."""
    manifest = open_bundle(path).manifest
    (source,), (target,) = manifest.inputs, manifest.outputs
    sides = []
    for spec, figures in (
        (source, profile.measure_inputs(samples, source)),
        (target, profile.measure_outputs(answers, target)),
    ):
        found = []
        for histogram, values in zip(spec.profile, figures.T, strict=True):
            edges = histogram.edges or tuple(range(1, len(histogram.counts)))
            bounds = [-np.inf, *edges, np.inf]
            pairs = itertools.pairwise(bounds)
            found.append(tuple(int(((a <= values) & (values < b)).sum()) for a, b in pairs))
        sides.append((tuple(found),))
    return sides[0], sides[1]


class TestCounts:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(1, 32), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
    def test_one_in_one_call_counts_all_samples(
        self, tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
    ) -> None:
        path = tmp_path_factory.mktemp("counts") / "shapes.strop"
        profiled(bundles.image(), PIXELS).write(path)
        rng = np.random.default_rng(seed)
        calls = [rng.integers(0, 256, (size, 4, 4)).astype(np.uint8) for size in sizes]
        with opened(path, 1) as model:
            answers = np.concatenate([model.predict(samples) for samples in calls])
        counts = model.counts()
        assert (counts.calls, counts.samples) == (len(sizes), sum(sizes))
        assert (counts.inputs, counts.outputs) == wanted(path, np.concatenate(calls), answers)

    def test_they_name_the_bundle_and_what_ran(self, model: CountingModel, path: Path) -> None:
        model.predict(PIXELS[:3])
        counts, bundle = model.counts(), open_bundle(path)
        assert counts == read_counts(counts.to_json())
        assert matches(counts, bundle.manifest, bundle.digest)
        assert (counts.engine, counts.precision, counts.every) == ("reference", "float32", 1)
        assert counts.since <= counts.until

    def test_the_calibration_samples_fill_the_profile(
        self, model: CountingModel, path: Path
    ) -> None:
        for sample in PIXELS:
            model.predict(sample)
        counts, manifest = model.counts(), open_bundle(path).manifest
        assert counts.inputs[0] == tuple(h.counts for h in manifest.inputs[0].profile)
        assert counts.outputs[0] == tuple(h.counts for h in manifest.outputs[0].profile)

    def test_of_a_large_batch_some_samples_are_counted_at_random(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        measure = profile.measure_inputs

        def spy(array: NDArray[Any], *rest: Any) -> Any:
            seen.append(array.copy())
            return measure(array, *rest)

        monkeypatch.setattr(profile, "measure_inputs", spy)
        model = opened(path, 1)
        batch = np.broadcast_to(np.arange(100, dtype=np.uint8)[:, None, None], (100, 4, 4))
        for _ in range(60):
            model.predict(batch)
        assert model.counts().samples == 60 * 32
        rows = [array[:, 0, 0].tolist() for array in seen]
        assert all(len({*row}) == 32 for row in rows)
        assert {*range(100)} == {number for row in rows for number in row}

    def test_classify_counts_once(self, model: CountingModel) -> None:
        model.classify(PIXELS[0])
        assert (model.counts().calls, model.counts().samples) == (1, 1)

    def test_only_answered_calls_count(self, model: CountingModel) -> None:
        for wrong in (PIXELS[:0], PIXELS.astype(np.float32), "text", None):
            with pytest.raises(StropError):
                model.predict(wrong)
        assert (model.counts().calls, model.counts().samples) == (0, 0)
        model.close()
        with pytest.raises(StropError, match="closed"):
            model.predict(PIXELS)
        assert model.counts().calls == 0

    def test_what_is_admitted_is_counted_as_the_model_sees_it(self, tmp_path: Path) -> None:
        samples = np.random.default_rng(1).standard_normal((50, 5)).astype(np.float32)
        draft = profiled(bundles.vector(), samples)
        given = [samples[:1], samples[0], samples[0].tolist(), samples[:1].astype(np.float64)]
        given += [{"measurements": samples[0]}]
        found = []
        for number, inputs in enumerate(given):
            model = opened(draft.write(tmp_path / f"{number}.strop"), 1)
            model.predict(inputs)
            found.append(model.counts().inputs)
        assert found == [found[0]] * len(given)

    def test_several_inputs_and_outputs(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(2)
        samples = (
            rng.integers(0, 256, (40, 2, 2)).astype(np.uint8),
            rng.standard_normal((40, 3)).astype(np.float32),
        )
        path = profiled(bundles.pair(), *samples).write(tmp_path / "pair.strop")
        model, specs = opened(path, 1, engine="fake"), open_bundle(path).manifest
        answers = [model.predict([array[i] for array in samples]) for i in range(20)]
        answers += [model.predict({"weights": samples[1][20:], "picture": samples[0][20:]})]
        counts = model.counts()
        assert counts.inputs == tuple(
            tuple(h.counts for h in spec.profile) for spec in specs.inputs
        )
        for number, spec in enumerate(specs.outputs):
            joined = np.concatenate([answer[spec.name] for answer in answers])
            figures = profile.measure_outputs(joined, spec, 2)
            for bins, histogram, values in zip(
                counts.outputs[number], spec.profile, figures.T, strict=True
            ):
                places = profile.bins(values, histogram.edges).tolist()
                assert bins == tuple(places.count(i) for i in range(len(bins)))

    def test_the_answers_are_those_of_a_model_that_does_not_count(
        self, model: CountingModel, path: Path
    ) -> None:
        assert np.array_equal(model.predict(PIXELS), strop.load(path).predict(PIXELS))


class TestSampling:
    @pytest.mark.parametrize("every", [2, 7, 1000])
    def test_one_of_so_many_calls_is_counted_on_average(
        self, path: Path, every: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counting, "Random", lambda: random.Random(5))
        counter = opened(path, every)._counter
        found = sorted(
            {next(counter._coming) for _ in range(20_000)} | {*counter.chosen},
        )
        gaps = np.diff(found)
        assert gaps.min() == 1
        assert gaps.max() == 2 * every - 1
        assert gaps.mean() == pytest.approx(every, rel=0.02)
        assert np.bincount(gaps)[1:] == pytest.approx(
            len(gaps) / (2 * every - 1), rel=0.2 if every < 10 else 2
        )

    def test_a_pattern_as_long_as_the_gap_is_seen_in_its_share(self, path: Path) -> None:
        model = opened(path, 4)
        dark, light = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
        for number in range(8000):
            model.predict(light if number % 4 == 0 else dark)
        counts = model.counts()
        assert counts.calls == 8000
        assert counts.samples == pytest.approx(2000, rel=0.15)
        lightest = counts.inputs[0][0][-1]
        assert lightest / counts.samples == pytest.approx(0.25, abs=0.06)

    def test_the_memory_stays_the_same(self, path: Path) -> None:
        tracemalloc.start()
        model, used = opened(path, 3), []
        for _ in range(3):
            for _ in range(6000):
                model.predict(PIXELS[0])
            used.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert used[2] - used[1] < 2000  # some bytes of a counted sample would be more
        assert len(model._chosen) == counting._AHEAD

    def test_bins_hold_any_number(self, model: CountingModel) -> None:
        counter = model._counter
        model.predict(PIXELS[0])
        many = tuple(
            tuple(tuple(2**62 * count for count in bins) for bins in histograms)
            for histograms in counter._state.inputs
        )
        counter._state = counter._state._replace(inputs=many)
        for _ in range(3):
            model.predict(PIXELS[0])
        assert max(model.counts().inputs[0][0]) == 2**62 + 3


def test_threads_lose_no_call_and_count_none_twice(path: Path) -> None:
    model, threads, calls = opened(path, 1), 8, 300
    barrier = threading.Barrier(threads)

    def work() -> None:
        barrier.wait()
        for place in range(calls):
            model.predict(PIXELS[place % 200])

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    counts = model.counts()
    assert counts.calls == counts.samples == threads * calls
    once = opened(path, 1)
    for place in range(calls):
        once.predict(PIXELS[place % 200])
    assert counts.inputs[0] == tuple(
        tuple(threads * count for count in bins) for bins in once.counts().inputs[0]
    )


class TestProcesses:
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
    def test_a_forked_child_begins_at_zero_and_its_parent_goes_on(
        self, model: CountingModel
    ) -> None:
        model.predict(PIXELS[:3])

        def child() -> None:
            assert (model.counts().calls, model.counts().samples) == (0, 0)
            model.predict(PIXELS[:5])
            assert (model.counts().calls, model.counts().samples) == (1, 5)

        assert in_child(child) == 0
        model.predict(PIXELS[:1])
        assert (model.counts().calls, model.counts().samples) == (2, 4)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
    def test_a_child_chooses_other_calls(self, path: Path) -> None:
        model = opened(path, 1000)
        before = {*model._chosen}

        def child() -> None:
            assert {*model._chosen} != before

        assert in_child(child) == 0

    def test_a_pickled_model_counts_from_zero(self, model: CountingModel) -> None:
        model.predict(PIXELS[:3])
        for again in (pickle.loads(pickle.dumps(model)), copy.copy(model)):
            assert isinstance(again, CountingModel)
            assert (again.counts().calls, again.counts().every) == (0, 1)
            again.predict(PIXELS[:2])
            assert again.counts().samples == 2
            assert again.counts().bundle == model.counts().bundle

    def test_counts_of_a_closed_model_stay(self, model: CountingModel) -> None:
        model.predict(PIXELS)
        model.close()
        assert model.counts().samples == 32


class TestFailures:
    @pytest.fixture
    def broken(self, model: CountingModel, monkeypatch: pytest.MonkeyPatch) -> CountingModel:
        def fail(*_: Any) -> None:
            raise MemoryError("no room")

        monkeypatch.setattr(profile, "measure_inputs", fail)
        return model

    def test_the_answer_is_never_lost(self, broken: CountingModel, path: Path) -> None:
        expected = strop.load(path).predict(PIXELS)
        with pytest.warns(StropWarning, match="stopped counting, which failed: MemoryError"):
            answer = broken.predict(PIXELS)
        assert np.array_equal(answer, expected)

    def test_it_is_said_once_and_counts_raises_it(self, broken: CountingModel) -> None:
        with pytest.warns(StropWarning):
            broken.predict(PIXELS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(2 * counting._AHEAD):
                broken.predict(PIXELS[0])
        with pytest.raises(StropError, match="stopped counting, which failed: MemoryError: no ro"):
            broken.counts()

    def test_an_app_that_makes_errors_of_warnings_has_its_answer_too(
        self, broken: CountingModel
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert broken.predict(PIXELS).shape == (200, 3)
        with pytest.raises(StropError, match="stopped counting"):
            broken.counts()

    def test_what_interrupts_a_count_leaves_it_whole(
        self, model: CountingModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model.predict(PIXELS[:2])
        whole = model.counts()
        add = counting._added
        done: list[int] = []

        def interrupted(*arguments: Any) -> Any:
            if done:
                raise KeyboardInterrupt
            done.append(1)
            return add(*arguments)

        monkeypatch.setattr(counting, "_added", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.predict(PIXELS[:2])
        assert model.counts()._replace(calls=1, until=whole.until) == whole

    def test_a_call_from_a_signal_handler_amid_a_count_is_counted_too(
        self, model: CountingModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add = counting._added
        called: list[int] = []

        def interrupted(*arguments: Any) -> Any:
            if not called:
                called.append(1)
                model.predict(PIXELS[:3])
            return add(*arguments)

        monkeypatch.setattr(counting, "_added", interrupted)
        model.predict(PIXELS[:2])
        counts = model.counts()
        assert (counts.calls, counts.samples) == (2, 5)
        assert read_counts(counts.to_json()) == counts


class TestAsked:
    @pytest.mark.parametrize("every", [0, -1, 1.5, True, "1000", 10**9 + 1])
    def test_a_number_that_is_none_is_refused(self, path: Path, every: Any) -> None:
        with pytest.raises(InputError, match=r"`count_every` must be an integer from 1 to"):
            strop.load(path, count_every=every)

    def test_a_bundle_without_a_profile_is_to_be_exported_again(self, image_path: Path) -> None:
        assert strop.load(image_path).predict(PIXELS).shape == (200, 3)
        with pytest.raises(BundleError, match="no profile, which `count_every` needs; export it"):
            strop.load(image_path, count_every=1000)

    def test_a_profile_of_other_figures_is_too(self, tmp_path: Path) -> None:
        draft = profiled(bundles.image(), PIXELS)
        draft.content["inputs"][0]["profile"][0]["figure"] = "median"
        with pytest.raises(BundleError, match="of other figures than this strop counts"):
            strop.load(draft.write(tmp_path / "other.strop"), count_every=1000)

    def test_a_model_that_does_not_count_says_how_to(self, path: Path) -> None:
        with pytest.raises(StropError, match=r"does not count; load it with count_every=1000"):
            strop.load(path).counts()
        assert type(strop.load(path)) is strop.Model

    def test_counts_are_public(self) -> None:
        assert strop.Counts is Counts is counts_module.Counts
