"""The adapters on which the GPU paths are tried, and the table at the end of the run.

A software adapter is always used, and a real one if this machine has one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab import vulkan
from strop_export.dist import write
from tests.conftest import Exported
from tests.gpu.paths import GPU_FILE, PRECISIONS, Cell, Place, has_cuda, has_vulkan
from tests.needs import unavailable

FIGURES = pytest.StashKey[dict[Cell, dict[str, Any]]]()

PLACES = ["software", *(["vulkan"] if has_vulkan() else []), *(["cuda"] if has_cuda() else [])]
CELLS = [  # CUDA's too if there is none, so that the table says so
    Cell(name, path, precision)
    for name in dict.fromkeys([*PLACES, "cuda"])
    for path in Place(name).paths
    for precision in PRECISIONS
]


def place_of(name: str) -> Place:
    """Return a place by name; the software adapter must be built."""
    if name != "software":
        return Place(name)
    if not vulkan.is_built():
        unavailable("there is no software GPU", "make lab-gpu")
    return Place(name, vulkan.environment())


@pytest.fixture(scope="session", params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    return place_of(request.param)


@pytest.fixture(scope="session")
def no_adapter() -> dict[str, str]:
    """The variables of a machine with Vulkan's loader but no GPU."""
    place_of("software")
    return vulkan.no_adapter()


@pytest.fixture(scope="session")
def images(edge: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole test set, uint8 (10000, 28, 28)."""
    path = tmp_path_factory.mktemp("gpu") / "images.npy"
    np.save(path, edge.evaluation()["inputs"])
    return path


@pytest.fixture(scope="session")
def shown(request: pytest.FixtureRequest) -> dict[Cell, dict[str, Any]]:
    """The records of all cells so far."""
    if FIGURES not in request.config.stash:
        GPU_FILE.unlink(missing_ok=True)  # a run that dies leaves no earlier results
    return request.config.stash.setdefault(FIGURES, {})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, and write it to dist/gpu.json if it is complete."""
    shown = config.stash.get(FIGURES, {})
    if not shown:
        return
    terminalreporter.section("GPU: images whose class is not Keras's, and the largest error")
    for cell, row in shown.items():
        figures = "-"
        if row["disagreements"] is not None:
            figures = f"{row['disagreements']} of {row['images']:,}, {row['max_abs_error']:.2g}"
        terminalreporter.write_line(
            f"{cell.path:<12} {cell.precision:<8} {figures:<18} {row['status']:<14} "
            f"{row['adapter']}"
        )
    if shown.keys() == set(CELLS):
        content = json.dumps({"paths": list(shown.values())}, indent=1, allow_nan=False) + "\n"
        write(GPU_FILE, content.encode("ascii"))
        terminalreporter.write_line("dist/gpu.json holds the same")
    else:
        terminalreporter.write_line("dist/gpu.json is written when every path was asked for")
