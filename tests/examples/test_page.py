"""docs/recipes.md lists the examples, and each example says how to install and start it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.environments import ROOT
from tests.examples.conftest import EXAMPLES

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
PROGRAMS = sorted(EXAMPLES.rglob("*.py"))
UNLISTED = (".ipynb", ".dockerignore")  # of a page of its own; a part of the Dockerfile


def test_the_page_lists_every_example() -> None:
    made = EXAMPLES / "out"  # by the notebook, and ignored by git
    files = [
        path
        for path in EXAMPLES.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.is_relative_to(made)
    ]
    listed = re.findall(r"\]\(\.\./examples/([^)]+)\)", PAGE)
    assert len(listed) == len(set(listed))
    names = {str(path.relative_to(EXAMPLES)) for path in files if path.suffix not in UNLISTED}
    assert set(listed) == names


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_program_says_how_to_start_it(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert re.search(r"^(Start: |python )", said, re.M)
