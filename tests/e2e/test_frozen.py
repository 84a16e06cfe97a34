"""An app built into one file by PyInstaller, which follows only the imports that it can see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Exported

_APP = """
import sys
import numpy as np
import strop
for engine in sys.argv[2:]:
    with strop.load(sys.argv[1], engine=engine) as model:
        print(model.predict(np.zeros((1, 28, 28), np.uint8)).shape, model)
"""
# Nothing that an app needs; they are here for other reasons, and take long to collect.
_LEFT_OUT = ("tensorflow", "onnx", "PIL", "cryptography", "matplotlib", "scipy", "pytest")


@pytest.mark.alone
def test_an_app_in_one_file_runs_every_engine(edge: Exported, tmp_path: Path) -> None:
    """The hook in strop's wheel names the modules and libraries that an app imports when asked."""
    (tmp_path / "app.py").write_text(_APP)
    options = [option for name in _LEFT_OUT for option in ("--exclude-module", name)]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--onefile", "--log-level=ERROR", *options, "app.py"],
        cwd=tmp_path,
        timeout=240,
        check=True,
    )
    engines = ("reference", "litert", "onnx")
    done = subprocess.run(
        [tmp_path / "dist" / "app", edge.bundle("cpu"), *engines],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(engines)
    for engine, line in zip(engines, lines, strict=True):
        assert line.startswith("(1, 10) <strop.Model")
        assert f" on {engine} " in line
