"""The figures of the proof matrix, and the results in dist/ that they come from.

A figure is the number of test images whose class differs from Keras's, for one engine and precision
on one device.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "pictures" / "proof.json"
DIST = ROOT / "dist"

PROVEN, NO_WHEEL = "proven", "no wheel exists"
_WORKSTATION, _PAGE, _CUDA, _VULKAN = "workstation", "web", "cuda", "vulkan"  # names of devices
_CPU_TARGETS = ("cpu", "rpi")  # the first with an engine and precision counts, as on the board pc


@dataclass(frozen=True)
class Device:
    """A device: a column of the matrix."""

    name: str  # as in the results
    group: str  # a heading above some columns; of a GPU: how its adapter's name begins
    title: str
    system: str


@dataclass(frozen=True)
class Cell:
    """One engine and precision on one device."""

    device: str
    engine: str
    precision: str
    status: str  # PROVEN or NO_WHEEL
    disagreements: int | None = None  # images whose class differs from Keras's
    differing_bits: int | None = None  # from the workstation's outputs; None: not compared

    @property
    def key(self) -> tuple[str, str, str]:
        """The device, the engine and the precision."""
        return self.device, self.engine, self.precision


@dataclass(frozen=True)
class Matrix:
    """All figures; a cell that is not there was not tried, or has no file."""

    images: int
    devices: tuple[Device, ...]
    cells: tuple[Cell, ...]

    def write(self, path: Path) -> None:
        """Write the matrix as JSON, one device or cell per line.

        Raises:
            OSError: it cannot be written.
        """
        parts = [f'"images": {self.images}']
        for name, rows in (("devices", self.devices), ("cells", self.cells)):
            lines = ",\n".join(json.dumps(asdict(row)) for row in rows)
            parts.append(f'"{name}": [\n{lines}\n]')
        path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")

    def taking(self, found: Iterable[Cell]) -> Matrix:
        """Return the matrix with all cells of some devices replaced.

        Raises:
            ValueError: a cell is of an unknown device, or not proven.
        """
        found = tuple(found)
        order = [device.name for device in self.devices]
        for cell in found:
            if cell.device not in order:
                raise ValueError(f"{FIGURES.name} has no device {cell.device!r}: add it there")
            if cell.status not in (PROVEN, NO_WHEEL):
                raise ValueError(f"{_words(cell)}: {cell.status}: only proven results are shown")
        fresh = {cell.device for cell in found}
        kept = [cell for cell in self.cells if cell.device not in fresh]
        cells = sorted((*kept, *found), key=lambda cell: (order.index(cell.device), cell.key))
        return Matrix(self.images, self.devices, tuple(cells))

    def differences(self, found: Iterable[Cell]) -> list[str]:
        """Say in a line each which cells of the devices found are other than here."""
        here = {cell.key: cell for cell in self.cells}
        there = {cell.key: cell for cell in found}
        devices = {cell.device for cell in there.values()}
        keys = sorted({key for key in here if key[0] in devices} | there.keys())
        return [
            f"{_words(here.get(key) or there[key])}: "
            f"{_figure(here.get(key))} in {FIGURES.name}, {_figure(there.get(key))} now"
            for key in keys
            if here.get(key) != there.get(key)
        ]


def load(path: Path = FIGURES) -> Matrix:
    """Read a matrix that `Matrix.write` wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON.
        KeyError: a part of it is missing.
        TypeError: a row has other fields.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    devices = tuple(Device(**row) for row in content["devices"])
    return Matrix(content["images"], devices, tuple(Cell(**row) for row in content["cells"]))


def gather(matrix: Matrix, dist: Path = DIST) -> list[Cell]:
    """Return the cells of all results in a folder, as make's targets write them.

    Args:
        matrix: its images and GPUs count; other GPUs, and adapters in software, do not.
        dist: the folder. Any of devices.json, report.json and gpu.json may be missing.

    Raises:
        OSError: there is no such folder.
        ValueError: a result is of other images, or a file is not JSON.
    """
    if not dist.is_dir():
        raise NotADirectoryError(f"there is no folder {dist}; make one: make export")
    cells: list[Cell] = []
    for name, rows, read in (
        ("devices.json", "cells", _boards),
        ("report.json", "variants", _exported),
        ("gpu.json", "paths", _gpus),
    ):
        path = dist / name
        if path.is_file():
            cells += read(json.loads(path.read_text(encoding="utf-8"))[rows], matrix)
    return cells


def news(dist: Path = DIST) -> list[str]:
    """Say in lines how the results in a folder differ from the committed figures."""
    matrix = load()
    try:
        changes = matrix.differences(gather(matrix, dist))
    except ValueError as error:
        return [f"{FIGURES.relative_to(ROOT)} is not compared: {error}"]
    if not changes:
        return [f"{FIGURES.relative_to(ROOT)} holds the same"]
    mend = "python -m tools.proof_matrix takes these figures:"
    return [f"{FIGURES.relative_to(ROOT)} has others; {mend}", *changes]


def _boards(rows: Iterable[dict[str, Any]], matrix: Matrix) -> Iterator[Cell]:
    for row in rows:
        if row["disagreements"] is not None:
            _same_images(matrix, row["images"])
        yield Cell(
            row["board"],
            row["engine"],
            row["precision"],
            row["status"],
            row["disagreements"],
            row["differing_bits"],
        )


def _exported(rows: list[dict[str, Any]], matrix: Matrix) -> Iterator[Cell]:
    """Return the workstation's own CPU, and the page that Node stands in for."""
    ours = [row for target in _CPU_TARGETS for row in rows if row["target"] == target]
    page = [row for row in rows if row["target"] == "web" and row["engine"] == "native"]
    seen = set()
    for device, row in (*((_WORKSTATION, row) for row in ours), *((_PAGE, row) for row in page)):
        cell = Cell(device, row["engine"], row["precision"], PROVEN, row["disagreements"])
        if cell.key not in seen:
            _same_images(matrix, row["samples"])
            seen.add(cell.key)
            yield cell


def _gpus(rows: Iterable[dict[str, Any]], matrix: Matrix) -> Iterator[Cell]:
    groups = {device.name: device.group for device in matrix.devices}
    for row in rows:
        device = _CUDA if row["path"].endswith("cuda") else _VULKAN
        if row["adapter"].startswith(groups[device]):
            _same_images(matrix, row["images"])
            yield Cell(device, row["engine"], row["precision"], row["status"], row["disagreements"])


def _same_images(matrix: Matrix, images: int) -> None:
    if images != matrix.images:
        raise ValueError(f"the results are of {images:,} images, not {matrix.images:,}")


def _words(cell: Cell) -> str:
    return f"{cell.engine} {cell.precision} on {cell.device}"


def _figure(cell: Cell | None) -> str:
    if cell is None:
        return "nothing"
    if cell.disagreements is None:
        return cell.status
    bits = "" if cell.differing_bits is None else f" with {cell.differing_bits} bits"
    return f"{cell.status}, {cell.disagreements}{bits}"
