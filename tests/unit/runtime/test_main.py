"""`python -m strop`, and what the folder it is started in has to do with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_nothing_is_imported_from_the_current_folder(image_path: Path, tmp_path: Path) -> None:
    for package in ("ai_edge_litert", "onnxruntime", "PIL", "numpy", "json"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('imported')")
    for command in (("check", image_path), ("doctor",), ("info", image_path)):
        done = subprocess.run(
            [sys.executable, "-m", "strop", *map(str, command)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "imported" not in done.stdout + done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="python -P is new in 3.11")
def test_a_folder_that_was_asked_for_stays(image_path: Path, tmp_path: Path) -> None:
    """With -P, what is first in the path is of PYTHONPATH, also where it is the current folder."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise SystemExit('imported')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "strop", "run", str(image_path), str(image_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "imported" in done.stderr
