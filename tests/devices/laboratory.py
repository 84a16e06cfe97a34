"""The boards' work for the tests in this folder, two at a time beside what the tests run.

Emulated programs are slow to start, so the work that all tests have in common starts at once, and
each test waits for its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import strop
from lab import boards, native
from lab.machine import Machine
from native.wheels import SHIPPED, lacks
from strop.bundle.open import open_bundle
from strop_export import targets
from strop_export.dist import write
from tests import pages
from tests.compared import Figures, compare
from tests.conftest import Exported
from tests.environments import ROOT
from tests.needs import unavailable

LIMIT_S = 900
MATRIX_FILE = ROOT / "dist" / "devices.json"


@dataclass(frozen=True, order=True)
class Cell:
    """One engine on one variant on one board."""

    board: str
    engine: str
    precision: str

    def __str__(self) -> str:
        return f"{self.board}-{self.engine}-{self.precision}"


@dataclass(frozen=True)
class Answer:
    """The result of a cell."""

    outputs: NDArray[np.float32]  # (images, classes)
    file_sha256: str
    file_format: str
    figures: Figures
    differing_bits: int | None  # from the workstation's outputs; None: the engine promises no bits


def all_cells() -> list[Cell]:
    """Every engine and precision of the boards' bundles, on every board."""
    pairs = dict.fromkeys(
        pair
        for name in boards.names()
        for target in boards.load(name).bundles
        for pair in _offers(target)
    )
    return [Cell(board, *pair) for board in boards.names() for pair in pairs]


def exists(cell: Cell) -> bool:
    """Tell whether the cell's engine has a wheel for its board."""
    return cell.engine in boards.load(cell.board).engines


def target_of(cell: Cell) -> str:
    """The first of the board's bundles that has the cell's engine and precision."""
    board = boards.load(cell.board)
    return next(t for t in board.bundles if (cell.engine, cell.precision) in _offers(t))


def _offers(target: str) -> list[tuple[str, str]]:
    loaded = targets.load(target)
    return [
        (engine, spec.precision)
        for engine in loaded.engines
        for spec in loaded.variants
        if engine in loaded.engines_of(spec)
    ]


class Laboratory:
    """The built boards, the wheel on them, and the cells' work."""

    def __init__(self, exported: Exported, folder: Path, images: int) -> None:
        evaluation = exported.evaluation()
        keras = evaluation["outputs"]
        chosen = choose_images(keras, images)
        self.exported = exported
        self.folder = folder
        self.keras = keras[chosen]
        self.labels = evaluation["labels"][chosen]
        # The images include the hardest, which show a wrong kernel; shares need a random sample.
        self.is_random = np.arange(len(chosen)) < images
        self.samples = folder / "images.npy"
        np.save(self.samples, evaluation["inputs"][chosen])
        self._pool = ThreadPoolExecutor(max_workers=2)
        self._answers: dict[Cell, Future[Answer]] = {}
        self._walks: dict[str, Future[subprocess.CompletedProcess[str]]] = {}
        self._commands: dict[
            tuple[str, tuple[str, ...]], Future[subprocess.CompletedProcess[str]]
        ] = {}

    def machine(self, board: str) -> Machine:
        """Return the built board with the exported wheel, or skip the test."""
        machine = Machine(boards.load(board))
        if not machine.is_untouched():
            unavailable(f"board {board} is not built, or not as it was", "make lab")
        engine = native.build(machine.board.machine)
        if engine is None:
            unavailable(f"the native engine cannot be compiled: {lacks()}", "make setup")
        machine.install(self.exported.wheel, engine)
        return machine

    def run(
        self, board: str, command: Iterable[str | Path], **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a board, capture its output, and use a cache without tuning."""
        variables = {"XDG_CACHE_HOME": str(self.folder / "cache"), **options.pop("variables", {})}
        return self.machine(board).run(
            command,
            variables=variables,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            **{"cwd": self.folder, **options},
        )

    def strop(
        self, board: str, *arguments: object, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run `strop ARGUMENTS` on a board, or wait for it if it has begun.

        The caller judges its exit status. One that has not begun does not wait for the others.
        """
        words = ("strop", *map(str, arguments))
        if not options and (board, words) in self._commands:
            return self._commands[board, words].result()
        return self.run(board, words, **options)

    def begin_strop(self, board: str, *arguments: object) -> None:
        """Start a command for a later test; the board must be built."""
        self.machine(board)  # installs the wheel before the pool's threads ask for it
        words = ("strop", *map(str, arguments))
        self._commands[board, words] = self._pool.submit(self.run, board, words)

    def begin_walk(self, board: str) -> Future[subprocess.CompletedProcess[str]]:
        """Start the commands of the board's page, on the board as it comes."""
        if board not in self._walks:
            self.machine(board)
            page = pages.read(board)
            folder = self.folder / f"{board}-walk"
            folder.mkdir()
            for pattern in page.copied:
                for file in self.exported.dist.glob(pattern.removeprefix("dist/")):
                    shutil.copy(file, folder)
            machine = boards.load(board).machine
            if machine not in SHIPPED:  # the lab's soft-float Zero: a build of the same file name
                shutil.copy(str(native.build(machine)), folder)
            # Packages of the OS are part of the emulated root; a test compares the two lists.
            typed = [line for line in page.device if not line.startswith("sudo apt install ")]
            script = ["bash", "-e", "-c", "\n".join(typed)]
            self._walks[board] = self._pool.submit(
                self.run, board, script, installed=False, cwd=folder
            )
        return self._walks[board]

    def is_built(self, board: str) -> bool:
        return Machine(boards.load(board)).is_untouched()

    def begin(self, cell: Cell) -> None:
        """Start the work of a cell if it is not started; the board must be built."""
        if cell not in self._answers:
            self.machine(cell.board)
            self._answers[cell] = self._pool.submit(self._work, cell)

    def answer(self, cell: Cell) -> Answer:
        """Wait for a cell."""
        self.begin(cell)
        return self._answers[cell].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _work(self, cell: Cell) -> Answer:
        bundle = self.exported.bundle(target_of(cell))
        written = self.folder / f"{cell}.npy"
        asked: list[str | Path] = [
            "--engine",
            cell.engine,
            "--precision",
            cell.precision,
            "--output",
            written,
        ]
        done = self.run(cell.board, ["strop", "run", bundle, self.samples, *asked])
        assert done.returncode == 0, f"{cell}: exit {done.returncode}: {done.stderr[-2000:]}"
        (variant,) = (
            variant
            for variant in open_bundle(bundle).manifest.variants
            if variant.precision == cell.precision and cell.engine in variant.engines
        )
        outputs = np.load(written)
        differing = None
        if cell.engine == "native":
            differing = differing_bits(outputs, self.on_workstation(bundle, cell.precision))
        figures = compare(outputs, self.keras, self.labels)
        return Answer(outputs, variant.sha256, variant.format, figures, differing)

    def on_workstation(self, bundle: Path, precision: str) -> NDArray[np.float32]:
        """Run the native engine here over the images: (images, classes)."""
        with strop.load(bundle, engine="native", precision=precision) as model:
            outputs: NDArray[np.float32] = model.predict(np.load(self.samples))
            return outputs


def choose_images(keras: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Choose `count` random images with a fixed seed, then the 100 that Keras is least sure of."""
    shuffled = np.random.default_rng(2026).permutation(len(keras))
    if count >= len(keras):
        return np.asarray(shuffled, np.int64)
    top = np.sort(keras, axis=1)
    hardest = np.argsort(top[:, -1] - top[:, -2], kind="stable")[:100]
    rest = shuffled[~np.isin(shuffled, hardest)][:count]
    return np.concatenate([rest, hardest]).astype(np.int64)


def differing_bits(one: NDArray[np.float32], other: NDArray[np.float32]) -> int:
    """Count the bits that differ between two arrays of one shape."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype == np.float32
    return int(np.bitwise_count(one.view(np.uint32) ^ other.view(np.uint32)).sum())


def write_matrix(cells: dict[Cell, dict[str, Any]]) -> None:
    """Write the records of all cells to dist/devices.json."""
    rows = [
        {"board": c.board, "engine": c.engine, "precision": c.precision, **cells[c]}
        for c in sorted(cells)
    ]
    content = json.dumps({"cells": rows}, indent=1, allow_nan=False) + "\n"
    write(MATRIX_FILE, content.encode("ascii"))
