"""The extra [fleet] and its lock."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_lock_has_what_the_extra_brings() -> None:
    project = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text("utf-8"))["project"]
    asked = (ROOT / "requirements" / "fleet.in").read_text("ascii").splitlines()[1:]
    assert asked == project["optional-dependencies"]["fleet"]
