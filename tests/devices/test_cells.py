"""Every engine and precision on every board, against Keras, or the absence of its wheel."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from lab import boards, wheels
from tests.bounds import BOUNDS
from tests.devices.laboratory import Answer, Cell, Laboratory, all_cells, exists, target_of

CELLS = all_cells()
PRESENT = [cell for cell in CELLS if exists(cell)]
ABSENT = [cell for cell in CELLS if not exists(cell)]
INT8 = [cell for cell in PRESENT if cell.precision == "int8"]

NO_WHEEL = "no wheel exists"
ONE_LSB = 1 / 256  # one step of an output 0..1 in 8 bits


@pytest.mark.parametrize("cell", PRESENT, ids=str)
def test_it_is_the_same_model(
    cell: Cell, laboratory: Laboratory, matrix: dict[Cell, dict[str, Any]]
) -> None:
    matrix[cell] = record(0, None, None, "FAILED")  # until it passes
    answer = laboratory.answer(cell)
    figures = answer.figures
    per_tensor = cell.precision == "dynamic" and target_of(cell).startswith("rpi")
    bound = BOUNDS["edge", cell.precision + (" per-tensor" if per_tensor else "")]
    good = (
        figures.disagreements <= bound.disagreements
        and figures.max_abs_error <= bound.max_abs_error
        and not answer.differing_bits
    )
    error = figures.max_abs_error if math.isfinite(figures.max_abs_error) else None
    status = "proven" if good else "FAILED"
    matrix[cell] = record(
        figures.samples, figures.disagreements, error, status, answer.differing_bits
    )
    assert figures.samples >= 1000
    assert good, f"{cell}: {figures}, allowed {bound}, differing bits {answer.differing_bits}"


def record(
    images: int,
    disagreements: int | None,
    max_abs_error: float | None,
    status: str,
    differing_bits: int | None = None,
) -> dict[str, Any]:
    """Make the record of a cell in dist/devices.json."""
    return {
        "images": images,
        "disagreements": disagreements,
        "max_abs_error": max_abs_error,
        "differing_bits": differing_bits,
        "status": status,
    }


@pytest.mark.parametrize("board", sorted({cell.board for cell in ABSENT}))
def test_what_is_absent_has_no_wheel(
    board: str, laboratory: Laboratory, matrix: dict[Cell, dict[str, Any]]
) -> None:
    """The index confirmed it when the board was built, and the board says the same."""
    laboratory.machine(board)
    for engine in boards.load(board).without_wheel:
        wheels.confirm_absence(boards.load(board), engine)
    for cell in ABSENT:
        if cell.board == board:
            matrix[cell] = record(0, None, None, NO_WHEEL)


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_one_int8_file_answers_alike_on_every_engine_and_board(
    file_format: str, laboratory: Laboratory
) -> None:
    """At most 2 other classes, and at most 1 % of images more than one 8-bit step apart."""
    answers: dict[Cell, Answer] = {cell: laboratory.answer(cell) for cell in INT8}
    alike = {cell: a for cell, a in answers.items() if a.file_format == file_format}
    assert len({answer.file_sha256 for answer in alike.values()}) == 1
    assert len(alike) >= 4
    for (one, a), (other, b) in combinations(alike.items(), 2):
        changes = int((a.outputs.argmax(axis=1) != b.outputs.argmax(axis=1)).sum())
        apart = np.abs(a.outputs - b.outputs).max(axis=1)[laboratory.is_random] > ONE_LSB
        assert changes <= 2, f"{one} and {other}: {changes} classes differ"
        assert apart.mean() <= 0.01, f"{one} and {other}: {apart.mean():.2%} more than 1 LSB apart"
