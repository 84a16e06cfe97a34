"""An app built into one file by PyInstaller, which follows only the imports that it can see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Exported
from tests.environments import ROOT
from tests.pictures import write_digit

_APP = ROOT / "examples" / "pyinstaller" / "app.py"
# Nothing that an app needs; they are here for other reasons, and take long to collect.
_LEFT_OUT = ("tensorflow", "onnx", "cryptography", "matplotlib", "scipy", "pytest", "cv2")


@pytest.mark.alone
def test_an_app_in_one_file_runs_every_engine(edge: Exported, tmp_path: Path) -> None:
    """The hook in strop's wheel names the modules and libraries that an app imports when asked."""
    write_digit(edge, 7, tmp_path / "7.png")
    options = [option for name in _LEFT_OUT for option in ("--exclude-module", name)]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--onefile", "--log-level=ERROR", *options, _APP],
        cwd=tmp_path,
        timeout=240,
        check=True,
    )
    for engine in ("reference", "litert", "onnx"):
        done = subprocess.run(
            [tmp_path / "dist" / "app", edge.bundle("cpu"), "7.png", engine],
            env={},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("7.png: 7 (")
        assert f" on {engine} " in done.stdout
