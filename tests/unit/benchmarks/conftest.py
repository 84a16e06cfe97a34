"""What several tests of the benchmarks need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import crew as crew_module
from benchmarks.crew import Crew
from tests.unit.benchmarks.staged import crew


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    """A crew of the peers in `staged`, and what it makes in a folder of its own."""
    monkeypatch.setattr(crew_module, "CACHE", tmp_path / "cache")
    with crew(tmp_path, monkeypatch) as made:
        yield made
