"""The extra [fleet] and its lock."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_lock_has_what_the_extra_brings() -> None:
    project = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text("utf-8"))["project"]
    asked = (ROOT / "requirements" / "fleet.in").read_text("ascii").splitlines()[1:]
    assert asked == project["optional-dependencies"]["fleet"]


def test_the_extra_has_what_fleets_import() -> None:
    """Not only what another package of the extra happens to bring."""
    project = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text("utf-8"))["project"]
    extra = project["optional-dependencies"]["fleet"]
    brought = {re.split(r"[>=;. -]", line)[0] for line in [*extra, *project["dependencies"]]}
    imported: set[str] = set()
    for source in (ROOT / "runtime/src/strop/fleet").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_bytes())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    ours = {"strop", "compression"}  # the latter is Python's own from 3.14 on
    assert imported - sys.stdlib_module_names - ours <= brought
