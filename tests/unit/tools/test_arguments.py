"""Wrong arguments of the docs' tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.environments import ROOT


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["tools.film"], "arguments are required: folder"),
        (["tools.film", "MISSING"], "build it: make demo-build"),
        (["tools.notebook", "other.ipynb"], "unrecognized arguments: other.ipynb"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], problem: str, tmp_path: Path) -> None:
    """The last line names the problem, and no traceback is printed."""
    given = [str(tmp_path / "none") if one == "MISSING" else one for one in arguments]
    ended = subprocess.run(
        [sys.executable, "-m", *given], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode
    assert "Traceback" not in ended.stderr
    assert problem in ended.stderr.splitlines()[-1]
