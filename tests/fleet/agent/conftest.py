"""One registry for the tests of the agent; each test has a repository of its own."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop.fleet.agent import agent
from strop.fleet.registry import Registry
from tests.fleet.agent.place import Device, Place
from tests.fleet.registries import Running, serve

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serve(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def place(running: Running, tmp_path: Path) -> Place:
    folder = tmp_path / "place"
    folder.mkdir()
    return Place(running, folder, f"models/agent{next(_numbers)}")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again without a pause what may pass by itself."""
    monkeypatch.setattr(agent, "Registry", functools.partial(Registry, pauses_s=(0.0, 0.0)))


@pytest.fixture
def device(place: Place, tmp_path: Path) -> Device:
    return Device(place, tmp_path / "device")
