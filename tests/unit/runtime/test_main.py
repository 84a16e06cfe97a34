"""`python -m strop`, and what the folder it is started in has to do with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


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
