"""docs/devices/gpu.md: its marked blocks, run on the software adapter that it shows."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import Exported
from tests.environments import ROOT, run
from tests.gpu.conftest import place_of
from tests.gpu.paths import python
from tests.markdown import follow
from tests.pictures import write_digit


def test_it_runs_as_it_stands(edge: Exported, tmp_path: Path) -> None:
    place = place_of("software")
    shutil.copy(edge.bundle("gpu"), tmp_path)
    write_digit(edge, 7, tmp_path / "seven.png")
    text = (ROOT / "docs" / "devices" / "gpu.md").read_text(encoding="utf-8")
    interpreter = python("onnx-webgpu", edge)
    run(interpreter, "-m", "pip", "install", "--quiet", f"{edge.wheel}[images]")
    follow(text, tmp_path, interpreter.parent, {**place.variables, "HOME": str(tmp_path)})
