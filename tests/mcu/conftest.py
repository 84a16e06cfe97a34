"""The laboratory of this run, and the table at its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strop_export.dist import write
from strop_export.firmware.cpus import CPUS
from tests.environments import ROOT
from tests.mcu.laboratory import Laboratory
from tests.mcu.models import MODELS

CELLS = pytest.StashKey[dict[tuple[str, str], dict[str, Any]]]()
PLACE = ROOT / "dist" / "mcu.json"
ALL = [(name, cpu.name) for name in MODELS for cpu in CPUS]


@pytest.fixture(scope="session")
def cells(request: pytest.FixtureRequest) -> dict[tuple[str, str], dict[str, Any]]:
    """The records so far, by model and CPU."""
    return request.config.stash.setdefault(CELLS, {})


@pytest.fixture(scope="session")
def laboratory(
    request: pytest.FixtureRequest,
    edge_artifact: Path,
    tflite_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Laboratory]:
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        if "laboratory" in item.fixturenames
    }
    if asked == set(MODELS):
        PLACE.unlink(missing_ok=True)  # a run that dies leaves no earlier results
    laboratory = Laboratory(edge_artifact, tflite_python, tmp_path_factory.mktemp("mcu"))
    laboratory.begin(name for name in MODELS if name in asked)
    yield laboratory
    laboratory.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the cells, and write them to dist/mcu.json if all ran."""
    found = config.stash.get(CELLS, {})
    if not found:
        return
    terminalreporter.section("microcontrollers: bytes of memory, bytes of outputs that differ")
    heads: tuple[str, ...] = (
        "model",
        "cpu",
        "flash",
        "RAM",
        "arena",
        "stack",
        "differ",
        "samples",
        "M instr.",
    )
    heads += ("TFLM arena", "emlearn flash", "RAM")
    widths = (13, 15, 9, 8, 8, 7, 8, 9, 10, 12, 15, 8)
    rows: list[tuple[str, ...]] = [
        (
            *(cell["model"], cell["cpu"]),
            *(f"{cell[f'{memory}_bytes']:,}" for memory in ("flash", "ram", "arena", "stack")),
            *(f"{cell['differing_bytes']:,}", f"{cell['samples']:,}"),
            f"{cell['instructions'] / 1e6:.2f}",
            f"{cell['tflm_arena_bytes']:,}",
            *(_number(cell[f"emlearn_{memory}_bytes"]) for memory in ("flash", "ram")),
        )
        for cell in found.values()
    ]
    for row in [heads, *rows]:
        line = "".join(
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        terminalreporter.write_line(line.rstrip())
    if set(found) == set(ALL):
        ordered = [found[key] for key in ALL]
        write(PLACE, json.dumps({"cells": ordered}, indent=2).encode("ascii") + b"\n")
        terminalreporter.write_line(f"{PLACE.relative_to(ROOT)} holds the same")
    else:
        terminalreporter.write_line("dist/mcu.json is written when all models ran on all CPUs")


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
