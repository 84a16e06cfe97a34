"""Tests of the agent: each has a repository of its own."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import pytest

from strop.fleet.agent import agent
from strop.fleet.registry import Registry
from tests.fleet.agent.place import Device, Place
from tests.fleet.registries import Running

_numbers = itertools.count(1)


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
