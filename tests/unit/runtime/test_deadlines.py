"""An app's signal handler that raises while Strop is at work."""

from __future__ import annotations

import contextlib
import gc
import signal
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.errors import InputError
from strop.install.install import install
from tests import bundles
from tests.unit.runtime import doubles
from tests.unit.runtime.doubles import SpySession

PIXELS = np.zeros((7, 4, 4), np.uint8)


class Deadline(Exception):
    """One of the app's own."""


@pytest.fixture(params=[Deadline, TimeoutError, RuntimeError, ValueError, strop.StropError])
def expires(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Let the deadline pass, here and now; the fixture's handler raises."""

    def handler(number: int, frame: Any) -> None:
        raise request.param("too late")

    def expire(*_: Any, **__: Any) -> None:
        signal.raise_signal(signal.SIGALRM)

    expire.kind = request.param  # type: ignore[attr-defined]
    before = signal.signal(signal.SIGALRM, handler)
    yield expire
    signal.signal(signal.SIGALRM, before)


class Interrupts:
    """An array that takes so long to read that the deadline passes."""

    def __init__(self, expire: Callable[..., None]) -> None:
        self._expire = expire

    def __array__(self, *_: Any, **__: Any) -> Any:
        self._expire()


@pytest.mark.parametrize("thread_safe", [True, False])
def test_an_engine_is_interrupted(expires: Any, thread_safe: bool) -> None:
    works = [expires, lambda x: x[:, 0, :3]]
    model = doubles.model(
        bundles.image(), SpySession(lambda x: works.pop(0)(x), thread_safe=thread_safe)
    )
    with pytest.raises(expires.kind, match="^too late$") as raised:
        model.predict(PIXELS)
    assert type(raised.value) is expires.kind
    np.testing.assert_array_equal(model.predict(PIXELS), PIXELS[:, 0, :3])


def test_a_generator_inside_an_engine_is_interrupted(expires: Any) -> None:
    """A generator that has ended does not say who called it."""
    model = doubles.model(bundles.image(), SpySession(lambda x: tuple(expires() for _ in x)))
    with pytest.raises(expires.kind, match="^too late$") as raised:
        model.predict(PIXELS)
    assert type(raised.value) is expires.kind


def test_the_look_at_the_inputs_is_interrupted(image_path: Path, expires: Any) -> None:
    with strop.load(image_path) as model:
        for work in (model.predict, model.classify):
            with pytest.raises(expires.kind, match="^too late$") as raised:
                work(Interrupts(expires))
            assert type(raised.value) is expires.kind
        assert model.predict(PIXELS).shape == (7, 3)


def test_a_file_that_is_read_is_interrupted(
    image_path: Path, expires: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with strop.load(image_path) as model:
        monkeypatch.setattr("numpy.lib.format.read_array", expires)
        np.save(image_path.with_suffix(".npy"), PIXELS[0])
        with pytest.raises(expires.kind, match="^too late$") as raised:
            model.classify(image_path.with_suffix(".npy"))
        assert type(raised.value) is expires.kind


@pytest.mark.parametrize(
    "place", ["strop.bundle.file.read_file", "strop.engines.reference.np.load"]
)
def test_loading_is_interrupted(
    image_path: Path, expires: Any, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(place, expires)
        with pytest.raises(expires.kind, match="^too late$") as raised:
            strop.load(image_path)
        assert type(raised.value) is expires.kind
    strop.load(image_path).close()


@pytest.mark.parametrize(
    "place", ["strop.bundle.installed.read_file", "strop.engines.reference.np.load"]
)
def test_opening_what_is_watched_is_interrupted(
    image_path: Path, tmp_path: Path, expires: Any, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(image_path, tmp_path / "folder", check=lambda _: ())
    with monkeypatch.context() as patch:
        patch.setattr(place, expires)
        with pytest.raises(expires.kind, match="^too late$") as raised:
            strop.watch(tmp_path / "folder")
        assert type(raised.value) is expires.kind
    strop.watch(tmp_path / "folder").close()


def test_what_was_raised_before_stays_where_it_was(image_path: Path, expires: Any) -> None:
    with strop.load(image_path) as model:
        try:
            model.predict(Interrupts(expires))
        except expires.kind:
            with pytest.raises(InputError, match="takes uint8"):
                model.predict(np.zeros((1, 4, 4)))


def test_a_failed_call_leaves_nothing_to_the_garbage_collector() -> None:
    """The session of a GPU must not live on until Python's end."""

    class Buffer:
        pass

    gone: list[weakref.ref[Buffer]] = []

    def fail(samples: Any) -> Any:
        buffer = Buffer()
        gone.append(weakref.ref(buffer))
        raise RuntimeError("no memory for this")

    model = doubles.model(bundles.image(), SpySession(fail))
    gc.disable()
    try:
        with contextlib.suppress(strop.StropError):
            model.predict(np.zeros((4, 4), np.uint8))
        assert gone[0]() is None
    finally:
        gc.enable()
