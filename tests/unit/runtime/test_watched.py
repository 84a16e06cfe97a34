"""A model that follows the installed bundle while the app runs."""

from __future__ import annotations

import errno
import gc
import inspect
import linecache
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest

import strop
from strop.bundle import installed
from strop.bundle.file import Bundle
from strop.bundle.installed import RecordedResult
from strop.errors import BundleError, InputError, StropError, StropWarning
from strop.install import watched as watched_module
from strop.install.install import install, rollback
from tests import bundles
from tests.profiles import profiled
from tests.unit.runtime import doubles

CHECKED = (RecordedResult("reference", "float32", "weights", "cpu", "2", 1e-7),)
INTERVAL_S = 0.005
PATIENCE_S = 20.0
ZERO = np.zeros((4, 4), np.uint8)


def _proven(bundle: Bundle) -> tuple[RecordedResult, ...]:
    return CHECKED


def _install(folder: Path, version: int, draft: bundles.Draft | None = None) -> None:
    draft = draft or bundles.image(seed=version, model_version=version)
    draft.content["model_version"] = version
    install(draft.write(folder.parent / f"{version}.strop"), folder, check=_proven)


def _until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(INTERVAL_S)


def _answer(version: int) -> Any:
    draft = bundles.image(seed=version, model_version=version)
    return bundles.answer(draft, ZERO[np.newaxis])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _install(tmp_path / "folder", 1)
    return tmp_path / "folder"


@pytest.fixture
def watched(folder: Path) -> Iterator[strop.Watched]:
    with strop.watch(folder, interval_s=INTERVAL_S) as model:
        yield model


class TestFollowing:
    def test_it_answers_as_the_model_does(self, watched: strop.Watched, folder: Path) -> None:
        with strop.load(folder) as model:
            assert np.array_equal(watched.predict(ZERO), model.predict(ZERO))
            best = watched.classify(ZERO)
            assert best.label == model.classify(ZERO).label
            assert watched.prediction(best.probabilities).class_index == best.class_index
            assert repr(watched) == f"<strop.Watched {folder}: {model!r}>"
        assert watched.model.version == 1
        assert watched.error is None

    def test_installs_and_rollbacks_are_picked_up(
        self, watched: strop.Watched, folder: Path
    ) -> None:
        for version in (2, 3):
            _install(folder, version)
            _until(lambda version=version: watched.model.version == version)  # type: ignore[misc]
            assert np.allclose(watched.predict(ZERO), _answer(version), atol=1e-5)
        rollback(folder, check=_proven)
        _until(lambda: watched.model.version == 2)
        assert np.allclose(watched.predict(ZERO), _answer(2), atol=1e-5)

    def test_the_methods_are_those_of_a_model(self) -> None:
        for name in ("predict", "classify", "prediction", "close"):
            mine, its = (getattr(kind, name) for kind in (strop.Watched, strop.Model))
            assert inspect.signature(mine) == inspect.signature(its)

    def test_the_one_before_is_let_go_when_nobody_is_in_it_and_not_closed(
        self, watched: strop.Watched, folder: Path
    ) -> None:
        held = [watched.model]
        gone = ref(held[0])
        _install(folder, 2)
        _until(lambda: watched.model is not held[0])
        assert np.allclose(held.pop().predict(ZERO), _answer(1), atol=1e-5)
        gc.collect()
        assert gone() is None

    def test_a_call_in_flight_ends_on_the_model_it_began_on(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inside, go_on = threading.Event(), threading.Event()
        made: list[doubles.SpySession] = []

        def slow(model: bytes) -> doubles.SpySession:
            number = len(made)

            def answer(samples: Any) -> Any:
                if number == 0 and (samples == 1).all():
                    inside.set()
                    assert go_on.wait(PATIENCE_S)
                return [[number, 0, 0]] * len(samples)

            made.append(doubles.SpySession(answer))
            return made[-1]

        doubles.install(monkeypatch, "reference", slow)
        answers: list[Any] = []
        with strop.watch(folder, interval_s=INTERVAL_S) as watched:
            calling = threading.Thread(target=lambda: answers.append(watched.predict(ZERO + 1)))
            calling.start()
            assert inside.wait(PATIENCE_S)
            _install(folder, 2)
            _until(lambda: watched.model.version == 2)
            assert watched.predict(ZERO)[0, 0] == 1
            go_on.set()
            calling.join()
        assert answers[0][0, 0] == 0
        assert made[0].closed == 0

    def test_the_first_call_on_the_new_model_is_not_the_apps(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[doubles.SpySession] = []

        def spy(model: bytes) -> doubles.SpySession:
            made.append(doubles.SpySession(lambda samples: [[0, 1, 0]] * len(samples)))
            return made[-1]

        doubles.install(monkeypatch, "reference", spy)
        with strop.watch(folder, interval_s=INTERVAL_S) as watched:
            _install(folder, 2)
            _until(lambda: watched.model.version == 2)
            assert [len(session.calls) for session in made] == [1, 1]

    def test_options_are_those_of_load(self, folder: Path) -> None:
        with strop.watch(folder, engine="fake", threads=2, interval_s=INTERVAL_S) as watched:
            assert (watched.model.engine, watched.model.threads) == ("fake", 2)
            _install(folder, 2)
            _until(lambda: watched.model.version == 2)
            assert watched.model.engine == "fake"
        with pytest.raises(TypeError, match="no_such"):
            strop.watch(folder, no_such=1)


class TestCounting:
    @pytest.fixture
    def counted(self, tmp_path: Path) -> Iterator[tuple[strop.Watched, Path]]:
        folder = tmp_path / "counted"
        _install(folder, 1, _profiled(1))
        with strop.watch(folder, interval_s=INTERVAL_S, count_every=1) as model:
            yield model, folder

    def test_only_what_the_app_asks_is_counted(self, counted: tuple[strop.Watched, Path]) -> None:
        watched, _ = counted
        assert (watched.counts().calls, watched.counts().samples) == (0, 0)
        watched.predict(ZERO)
        watched.classify(ZERO)
        counts = watched.counts()
        assert counts == watched.model.counts()._replace(until=counts.until)
        assert counts.calls == 2

    def test_a_new_bundle_begins_at_zero_and_the_old_model_keeps_its_counts(
        self, counted: tuple[strop.Watched, Path]
    ) -> None:
        watched, folder = counted
        old = watched.model
        watched.predict(ZERO)
        _install(folder, 2, _profiled(2))
        _until(lambda: watched.model.version == 2)
        assert (watched.counts().calls, watched.counts().model_version) == (0, 2)
        assert (old.counts().calls, old.counts().model_version) == (1, 1)

    def test_a_new_bundle_that_cannot_count_does_not_run(
        self, counted: tuple[strop.Watched, Path]
    ) -> None:
        watched, folder = counted

        def install_and_wait(told: pytest.WarningsRecorder) -> None:
            _install(folder, 2)
            _until(lambda: len(told))

        with pytest.warns(StropWarning, match="no profile") as told:
            install_and_wait(told)
        assert watched.error is not None
        assert watched.model.version == 1


def _profiled(seed: int) -> bundles.Draft:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 4, 4)).astype(np.uint8)
    return profiled(bundles.image(seed=seed, model_version=seed), pixels)


class TestWhatDoesNotRun:
    def _goes_on(self, watched: strop.Watched, message: str) -> None:
        _until(lambda: watched.error)
        assert message in str(watched.error)
        assert watched.error
        assert watched.error.__traceback__ is None  # it keeps no reference to the opened bundle
        assert watched.model.version == 1
        assert np.allclose(watched.predict(ZERO), _answer(1), atol=1e-5)

    def _broken(self) -> bundles.Draft:
        draft = bundles.image(seed=2)
        draft.put(draft.variant, b"no model")
        return draft

    def test_one_that_does_not_open_is_told_once_and_the_next_is_picked_up(
        self, watched: strop.Watched, folder: Path
    ) -> None:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            _install(folder, 2, self._broken())
            self._goes_on(watched, "does not open variants/shapes.float32.npz")
            _until(lambda: told)  # it has `error` first
            time.sleep(10 * INTERVAL_S)
        (warning,) = told
        assert warning.category is StropWarning
        assert "strop.watch(" in linecache.getline(warning.filename, warning.lineno)
        assert "v1: " in str(warning.message)
        assert str(folder) in str(warning.message)
        _install(folder, 3)
        _until(lambda: watched.model.version == 3)
        assert watched.error is None

    def test_a_warning_that_is_an_error_does_not_end_the_watching(
        self, watched: strop.Watched, folder: Path
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _install(folder, 2, self._broken())
            self._goes_on(watched, "does not open")
            _install(folder, 3)
            _until(lambda: watched.model.version == 3)

    @pytest.mark.filterwarnings("ignore::strop.errors.StropWarning")
    def test_one_that_takes_something_else_is_not_gone_over_to(
        self, watched: strop.Watched, folder: Path
    ) -> None:
        draft = bundles.vector(name="shapes")
        _install(folder, 2, draft)
        self._goes_on(watched, "v2 takes float32 (5,), and what runs takes uint8 (4, 4); start")
        rollback(folder, check=_proven)
        _until(lambda: watched.error is None)

    @pytest.mark.filterwarnings("ignore::strop.errors.StropWarning")
    @pytest.mark.parametrize(
        ("part", "change", "message"),
        [
            (
                "outputs",
                {"labels": ["circle", "star", "square"]},
                "v2 has class 1 'star', and what runs has class 1 'square'; start the app again",
            ),
            (
                "inputs",
                {"range": [0.0, 1.0]},
                "v2 takes values 0.0..1.0, and what runs takes values 0.0..255.0; start the app",
            ),
        ],
    )
    def test_nor_one_whose_outputs_an_app_would_call_by_wrong_names(
        self,
        watched: strop.Watched,
        folder: Path,
        part: str,
        change: dict[str, Any],
        message: str,
    ) -> None:
        held = watched.predict(ZERO)[0]
        label = watched.prediction(held).label
        draft = bundles.image(seed=2)
        draft.content[part][0].update(change)
        _install(folder, 2, draft)
        self._goes_on(watched, message)
        assert watched.prediction(held).label == label

    @pytest.mark.filterwarnings("ignore::strop.errors.StropWarning")
    def test_a_folder_that_is_gone_and_comes_back(
        self, watched: strop.Watched, folder: Path
    ) -> None:
        folder.rename(folder.with_name("away"))
        self._goes_on(watched, "nothing is installed in")
        folder.with_name("away").rename(folder)
        _until(lambda: watched.error is None)

    @pytest.mark.filterwarnings("ignore::strop.errors.StropWarning")
    def test_whatever_goes_wrong_the_watching_goes_on(
        self, watched: strop.Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> Any:
            raise MemoryError("no more")

        with monkeypatch.context() as patch:
            patch.setattr(strop.Watched, "_open_bundle", fail)
            _install(folder, 2)
            self._goes_on(watched, "MemoryError: no more")
        _install(folder, 3)
        _until(lambda: watched.model.version == 3)

    def test_what_passes_is_tried_again_at_growing_pauses_and_told_once(
        self, watched: strop.Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = strop.Watched._open_bundle
        tries: list[float] = []

        def fail_at_first(self: strop.Watched) -> Bundle:
            tries.append(time.monotonic())
            if len(tries) < 5:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return whole(self)

        monkeypatch.setattr(strop.Watched, "_open_bundle", fail_at_first)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            _install(folder, 2)
            _until(lambda: watched.model.version == 2)
            _until(lambda: watched.error is None)
        assert len(tries) == 5
        assert tries[-1] - tries[0] >= (1 + 2 + 4 + 8) * INTERVAL_S
        (warning,) = told
        assert "Too many open files" in str(warning.message)

    @pytest.mark.filterwarnings("ignore::strop.errors.StropWarning")
    def test_a_bundle_that_cannot_be_read_for_now_is_gone_over_to_once_it_can(
        self, watched: strop.Watched, folder: Path, tmp_path: Path
    ) -> None:
        _install(tmp_path / "next", 2)
        (stored,) = (tmp_path / "next" / "bundles").iterdir()
        (tmp_path / "next" / "installed.json").replace(folder / "installed.json")
        self._goes_on(watched, "cannot read bundle")
        stored.rename(folder / "bundles" / stored.name)
        _until(lambda: watched.model.version == 2)

    @pytest.mark.filterwarnings("ignore::strop.errors.StropWarning")
    def test_a_damaged_one_is_not_read_again_and_again(
        self,
        watched: strop.Watched,
        folder: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        whole = strop.Watched._open_bundle
        tries: list[strop.Watched] = []

        def count(self: strop.Watched) -> Bundle:
            tries.append(self)
            return whole(self)

        monkeypatch.setattr(strop.Watched, "_open_bundle", count)
        _install(tmp_path / "next", 2)
        (stored,) = (tmp_path / "next" / "bundles").iterdir()
        (folder / "bundles" / stored.name).write_bytes(stored.read_bytes()[:-1])
        (tmp_path / "next" / "installed.json").replace(folder / "installed.json")
        self._goes_on(watched, "damaged or not a bundle")
        time.sleep(20 * INTERVAL_S)
        assert len(tries) == 1

    @pytest.mark.filterwarnings("ignore::strop.errors.StropWarning")
    def test_what_runs_can_be_read_again(
        self, watched: strop.Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing was installed, and the error is gone."""
        stamp = watched_module._stamp

        def refuse(*_: object) -> Any:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        with monkeypatch.context() as patch:
            patch.setattr(watched_module, "_stamp", lambda place: None)
            patch.setattr(watched_module, "read", refuse)
            self._goes_on(watched, "Permission denied")
        assert watched_module._stamp is stamp
        _until(lambda: watched.error is None)

    def test_at_the_start_it_is_as_with_load(self, folder: Path, tmp_path: Path) -> None:
        threads = set(threading.enumerate())
        with pytest.raises(BundleError, match="nothing is installed in"):
            strop.watch(tmp_path)
        with pytest.raises(InputError, match="is a file, which strop.load opens"):
            strop.watch(tmp_path / "1.strop")
        for interval_s in (0, -1, float("nan"), float("inf")):
            with pytest.raises(
                InputError, match="`interval_s` must be a finite time in seconds above 0, got"
            ):
                strop.watch(folder, interval_s=interval_s)
        _install(folder, 2, self._broken())
        with pytest.raises(StropError, match="does not open"):
            strop.watch(folder)
        assert set(threading.enumerate()) <= threads


class TestTheEnd:
    def _threads(self) -> int:
        return sum(thread.name == "strop-watch" for thread in threading.enumerate())

    def test_closed_it_refuses_and_its_thread_is_gone(self, folder: Path) -> None:
        watched = strop.watch(folder, interval_s=INTERVAL_S)
        assert self._threads() == 1
        watched.close()
        watched.close()
        assert self._threads() == 0
        with pytest.raises(StropError, match="is closed"):
            watched.predict(ZERO)

    def test_dropped_its_thread_goes_too(self, folder: Path) -> None:
        watched = strop.watch(folder, interval_s=INTERVAL_S)
        assert watched.model.version == 1
        del watched
        gc.collect()
        _until(lambda: not self._threads())

    def test_closed_while_the_next_is_being_opened(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opening, go_on = threading.Event(), threading.Event()
        made: list[doubles.SpySession] = []

        def slow(model: bytes) -> doubles.SpySession:
            if made:
                opening.set()
                assert go_on.wait(PATIENCE_S)
            made.append(doubles.SpySession(lambda samples: [[0, 1, 0]] * len(samples)))
            return made[-1]

        doubles.install(monkeypatch, "reference", slow)
        watched = strop.watch(folder, interval_s=INTERVAL_S)
        _install(folder, 2)
        assert opening.wait(PATIENCE_S)
        closing = threading.Thread(target=watched.close)
        closing.start()
        _until(lambda: watched._closed)
        go_on.set()
        closing.join()
        assert self._threads() == 0
        assert [session.closed for session in made] == [1, 1]
        with pytest.raises(StropError, match="is closed"):
            watched.predict(ZERO)

    @pytest.mark.parametrize(
        "how", ["pass", "raise SystemExit(3)", "watched.close()", "del watched"]
    )
    def test_a_program_ends_as_it_would(self, folder: Path, how: str) -> None:
        code = (
            "import strop, sys, time\n"
            f"watched = strop.watch(sys.argv[1], interval_s={INTERVAL_S})\n"
            f"time.sleep(0.05)\n{how}\n"
        )
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", code, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (3 if "3" in how else 0, "")


class TestFork:
    def test_the_child_follows_too(self, watched: strop.Watched, folder: Path) -> None:
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            try:
                os.close(reader)
                assert np.allclose(watched.predict(ZERO), _answer(1), atol=1e-5)
                os.write(writer, b"1")
                _until(lambda: watched.model.version == 2)
                assert np.allclose(watched.predict(ZERO), _answer(2), atol=1e-5)
                os.write(writer, b"2")
                watched.close()
                os.write(writer, b"3")
            finally:
                os._exit(0)
        os.close(writer)
        assert os.read(reader, 1) == b"1"
        _install(folder, 2)
        _until(lambda: watched.model.version == 2)
        os.waitpid(child, 0)
        assert os.read(reader, 9) == b"23"
        os.close(reader)
        _install(folder, 3)
        _until(lambda: watched.model.version == 3)

    def test_a_fork_waits_for_a_model_that_is_being_opened(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opening, go_on = threading.Event(), threading.Event()
        made: list[doubles.SpySession] = []

        def slow(model: bytes) -> doubles.SpySession:
            if len(made) == 1:
                opening.set()
                assert go_on.wait(PATIENCE_S)
            made.append(doubles.SpySession(lambda samples: [[0, 1, 0]] * len(samples)))
            return made[-1]

        doubles.install(monkeypatch, "reference", slow)
        with strop.watch(folder, interval_s=INTERVAL_S) as watched:
            _install(folder, 2)
            assert opening.wait(PATIENCE_S)
            threading.Timer(0.1, go_on.set).start()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if not child:
                os._exit(0 if len(made) == 2 else 1)
            assert os.waitpid(child, 0)[1] == 0
            _until(lambda: watched.model.version == 2)


_FORK_BETWEEN_OPENING_AND_PREDICTING = """
import os, sys, threading, time, warnings
import strop

warnings.simplefilter("ignore", DeprecationWarning)
opened, forking = threading.Event(), threading.Event()
folder, real = sys.argv[1], strop.Model.predict
with strop.watch(folder, interval_s=0.005) as watched:
    def predict(model, inputs):
        opened.set()
        forking.wait(60)
        time.sleep(0.1)
        return real(model, inputs)

    strop.Model.predict = predict
    print("ready", flush=True)
    assert opened.wait(60)
    forking.set()
    child = os.fork()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    while watched.model.version != 2:
        time.sleep(0.005)
"""


def test_a_fork_between_opening_and_predicting_goes_through(folder: Path) -> None:
    """The reference has a lock for forks of its own, whichever was imported first."""
    program = (sys.executable, "-c", _FORK_BETWEEN_OPENING_AND_PREDICTING, str(folder))
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            assert running.stdout.readline() == "ready\n"
            _install(folder, 2)
            assert running.wait(30) == 0
        finally:
            running.kill()


def test_a_look_sees_every_install(folder: Path) -> None:
    """Two installs within a clock tick leave files of one size, but different inodes."""
    from strop.install.watched import _stamp

    stamps = {_stamp(str(folder))}
    for version in range(2, 12):
        _install(folder, version, bundles.image(seed=version))
        stamps.add(_stamp(str(folder)))
    assert len(stamps) == 11
    assert len(installed.read(folder).history) == 11
