"""Fixtures of the benchmark tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import crew as crew_module
from benchmarks.crew import Crew
from tests.unit.benchmarks.staged import crew


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    """A crew of the peers in `staged`, with its own folder."""
    monkeypatch.setattr(crew_module, "CACHE", tmp_path / "cache")
    with crew(tmp_path, monkeypatch) as made:
        yield made
