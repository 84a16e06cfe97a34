"""The laboratory of this run, and the matrix at its end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from lab import boards
from tests.conftest import Exported
from tests.devices.laboratory import (
    MATRIX_FILE,
    Cell,
    Laboratory,
    all_cells,
    exists,
    write_matrix,
)
from tools import proof_figures

MATRIX = pytest.StashKey[dict[Cell, dict[str, Any]]]()


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> dict[Cell, dict[str, Any]]:
    """The records of all cells so far."""
    return request.config.stash.setdefault(MATRIX, {})


@pytest.fixture(scope="session")
def laboratory(
    request: pytest.FixtureRequest, edge: Exported, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Laboratory]:
    images = int(os.environ.get("STROP_IMAGES", "10000"))
    laboratory = Laboratory(edge, tmp_path_factory.mktemp("boards"), images)
    cells = _selected(request.session.items, "cell")
    if set(cells) >= {cell for cell in all_cells() if exists(cell)}:
        MATRIX_FILE.unlink(missing_ok=True)  # a run that dies leaves no earlier results
    # First what the first tests wait for: they run commands of their own beside the rest.
    for board in _selected(request.session.items, "board"):
        if laboratory.is_built(board):
            laboratory.begin_strop(board, "doctor", "--json")
            for target in boards.load(board).bundles:
                laboratory.begin_strop(board, "check", edge.bundle(target), "--json")
    for cell in cells:
        if exists(cell) and laboratory.is_built(cell.board):
            laboratory.begin(cell)
    for board in _selected(request.session.items, "walk"):
        if laboratory.is_built(board):
            laboratory.begin_walk(board)
    yield laboratory
    laboratory.close()


def _selected(items: Iterable[pytest.Item], parameter: str) -> list[Any]:
    """The distinct values of a parameter in this run's tests."""
    values = [
        item.callspec.params[parameter]
        for item in items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and parameter in item.callspec.params
        and "laboratory" in item.fixturenames
    ]
    return list(dict.fromkeys(values))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the matrix by board, and write it to dist/devices.json if it is complete."""
    shown = config.stash.get(MATRIX, {})
    if not shown:
        return
    pairs = list(dict.fromkeys((cell.engine, cell.precision) for cell in all_cells()))
    names = boards.names()
    images = max(record["images"] for record in shown.values())
    terminalreporter.section("boards: images whose class is not Keras's, and the largest error")
    terminalreporter.write_line(f"of {images:,} images each")
    width = 18
    head = "".join(name.ljust(width) for name in names)
    terminalreporter.write_line(f"{'engine':<10}{'precision':<11}{head}".rstrip())
    for engine, precision in pairs:
        line = f"{engine:<10}{precision:<11}"
        line += "".join(
            _text(shown.get(Cell(name, engine, precision))).ljust(width) for name in names
        )
        terminalreporter.write_line(line.rstrip())
    if shown.keys() == set(all_cells()):
        write_matrix(shown)
        terminalreporter.write_line("dist/devices.json holds the same")
        for line in proof_figures.news():
            terminalreporter.write_line(line)
    else:
        terminalreporter.write_line("dist/devices.json is written when every cell was asked for")


def _text(record: dict[str, Any] | None) -> str:
    if record is None:
        return "not run"
    if record["disagreements"] is None:
        return str(record["status"])
    text = f"{record['disagreements']}, {record['max_abs_error'] or 0:.1g}"
    if record["differing_bits"] is not None:
        text += f", {record['differing_bits']} bits"
    return text if record["status"] == "proven" else f"{text} {record['status']}"
