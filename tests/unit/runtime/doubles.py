"""Engines made for tests, and their installation in place of real ones."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from strop import engines
from strop.bundle.manifest import Variant
from strop.engines.base import Session
from strop.errors import DeviceUnavailable
from strop.model.model import About, Model
from tests import bundles


class SpySession:
    """A session that answers like `answer`, records its inputs, and detects concurrent callers.

    A pause inside `run` gives other threads time to enter.
    """

    def __init__(
        self,
        answer: Callable[[Any], Any],
        *,
        thread_safe: bool = True,
        batch: int | None = None,
        adapter: str = "",
        pause_s: float = 0.0,
    ) -> None:
        self.thread_safe = thread_safe
        self.batch = batch
        self.adapter = adapter
        self.largest = 1024
        self.calls: list[Any] = []
        self.closed = 0
        self.most_inside = 0
        self._answer = answer
        self._pause_s = pause_s
        self._inside = 0
        self._counting = threading.Lock()

    def run(self, samples: Any) -> Any:
        with self._counting:
            self._inside += 1
            self.most_inside = max(self.most_inside, self._inside)
            self.calls.append(samples)
        time.sleep(self._pause_s)
        outputs = np.asarray(self._answer(samples), np.float32)
        with self._counting:
            self._inside -= 1
        return outputs

    def is_busy(self) -> bool:
        return bool(self._inside)

    def close(self) -> None:
        assert not self._inside or self.thread_safe
        self.closed += 1


class Double:
    """An engine whose sessions a function makes from the model's bytes."""

    adapter: str | None = "NVIDIA Toaster, CUDA 12.8"  # the adapter of "gpu"; None: there is none

    def __init__(self, name: str, make: Callable[[bytes], Session]) -> None:
        self.name = name
        self._make = make

    def version(self) -> str:
        return "1.2.3"

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        if device == engines.GPU and self.adapter is None:
            raise DeviceUnavailable(f"{self.name} found no GPU")
        session = self._make(model)
        session.adapter = (self.adapter or "") if device == engines.GPU else ""
        return session


def install(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    make: Callable[[bytes], Session] = lambda model: SpySession(lambda inputs: inputs),
    devices: tuple[str, ...] = ("cpu",),
) -> Double:
    """Replace an engine of the table with ours, as if its package were installed."""
    engine = Double(name, make)
    module = ModuleType(f"strop.engines.{name}")
    module.ENGINE = engine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = engines.Entry(None, None, devices, takes_threads=True)
    monkeypatch.setitem(engines.TABLE, name, entry)
    return engine


def uninstall(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make engines of the table absent, even if they are installed here."""
    for name in names:
        replace_package(monkeypatch, name, f"no_{name}_here")


def replace_package(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    """Make an engine of the table need another package."""
    monkeypatch.setitem(engines.TABLE, name, engines.TABLE[name]._replace(package=package))


class Source(NamedTuple):
    """A source of a test's model: a function makes its sessions."""

    variant: Variant
    open: Callable[[], Session]
    engine: str = "double"
    device: str = "cpu"
    threads: int = 1


def model(
    draft: bundles.Draft,
    session: Session,
    more: Callable[[], Session] | None = None,
    sessions: int | None = 1,
) -> Model:
    """Make a model over our own sessions."""
    from strop.bundle.file import parse_bundle

    content = parse_bundle(draft.pack()).manifest
    about = About(
        name=content.name,
        version=content.model_version,
        inputs=content.inputs,
        outputs=content.outputs,
        engine_version="1.2.3",
        structure=content.structure,
        sessions=sessions,
    )
    return Model(Source(content.variants[0], more or (lambda: session)), about, session)  # type: ignore[arg-type]
