"""The check, before anything is timed, that every case runs the same model.

Every case answers the whole test set, in batches and one by one, and is compared with Keras. A case
that runs another model is not timed. Strop and the raw loops of its engine open the same file, so
their answers must be the same to the bit; those of Strop's own engine must be the same with all
kernels. A case on other images is judged by its answers to the test set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Case
from benchmarks.crew import Crew
from benchmarks.results import LIMIT, STROP, Row

BATCH = 1000
_LIMIT_S = 60  # for all images, in batches
_REFERENCE = "reference"  # NumPy alone folds the scale into a kernel, so its last bits differ

Floats = NDArray[np.float32]


class Bounds(NamedTuple):
    """The differences from Keras's answers that a precision may have."""

    disagreements: int  # images of 10,000 whose top class is not Keras's; of fewer, at least 1
    max_abs_error: float


_BOUNDS = {
    "float32": Bounds(5, 1e-3),
    "float16": Bounds(5, 0.02),
    "dynamic": Bounds(25, 0.95),
    "int8": Bounds(25, 0.95),
}


class Verdict(NamedTuple):
    """The figures of a case's answers, and whether it is the same model."""

    accuracy: float  # 0..1
    disagreements: int
    max_abs_error: float
    refusal: str  # why it is another model; "" if it is the same


def judge(answers: Floats, keras: Floats, labels: NDArray[np.int64], precision: str) -> Verdict:
    """Compare answers to all images with Keras's, and with the true classes.

    Args:
        answers: float32 (N, 10).
        keras: Keras's answers, float32 (N, 10).
        labels: the true classes, int64 (N,).
        precision: the precision whose bounds apply.
    """
    classes = answers.argmax(axis=1)
    disagreements = int((classes != keras.argmax(axis=1)).sum())
    error = float(np.abs(answers - keras).max())
    bounds, refusal = _BOUNDS[precision], ""
    most = max(1, bounds.disagreements * len(keras) // 10_000)
    if disagreements > most or not error <= bounds.max_abs_error:
        refusal = (
            f"not the same model: {disagreements} of {len(keras):,} images get another class than "
            f"from Keras, largest error {error:.2g}; {precision} may have {most} "
            f"and {bounds.max_abs_error:g}"
        )
    return Verdict(float((classes == labels).mean()), disagreements, error, refusal)


def check(
    crew: Crew,
    cases: Sequence[Case],
    *,
    one_by_one_s: float,
    step: Callable[[str], None],
    batch: int | None = None,
) -> list[Row]:
    """Judge every case, and leave refused cases out of the crew.

    Args:
        crew: opens the cases.
        cases: the cases.
        one_by_one_s: the time limit of a case for single images, in seconds; the images answered
            by then are judged.
        step: called with a case's name before it is judged.
        batch: images per call where all are answered; their number is a multiple of it. None:
            `BATCH`.

    Returns:
        A row of accuracy for each case, without those on other images.
    """
    batch = batch or BATCH
    keras, labels = np.load(crew.files.answers), np.load(crew.files.labels)
    rows = []
    raw: dict[tuple[str, str], list[tuple[Case, Floats, Floats]]] = {}
    judged = dict.fromkeys(case.on_test_set for case in cases)
    for case in sorted(judged, key=lambda case: case.kind == STROP):  # raw loops first
        step(case.name)
        answers, single = _answers(crew, case, batch, one_by_one_s)
        if answers is None or single is None:
            why = crew.absent(case) or crew.absent(case, batch) or crew.absent(case, 1)
            crew.leave_out(case, why)
            rows.append(case.row("accuracy", absent=why))
            continue
        if len(answers) != len(keras):
            why = f"it answered {len(answers):,} of {len(keras):,} images within {_LIMIT_S} s"
            crew.leave_out(case, why)
            rows.append(case.row("accuracy", absent=why))
            continue
        verdict = judge(answers, keras, labels, case.precision)
        refusal = verdict.refusal or _differs_alone(single, answers)
        others = raw.setdefault((case.engine, case.precision), [])
        if case.kind == STROP and case.engine != _REFERENCE:
            refusal = refusal or _differs_from(others, answers, single)
        if not refusal and case.kind != LIMIT:
            others.append((case, answers, single))
        if refusal:
            crew.leave_out(case, refusal)
        parts = {"disagreements": float(verdict.disagreements)}
        if np.isfinite(verdict.max_abs_error):  # JSON has no NaN
            parts["max_abs_error"] = verdict.max_abs_error
        rows.append(case.row("accuracy", value=verdict.accuracy, parts=parts, absent=refusal))
    for case in cases:
        if why := crew.absent(case.on_test_set):
            crew.leave_out(case, why)
    return rows


def _answers(
    crew: Crew, case: Case, batch: int, one_by_one_s: float
) -> tuple[Floats | None, Floats | None]:
    """Get a case's answers in batches to all images, and one by one as long as time allows."""
    answers = crew.answer(case, batch, _LIMIT_S)
    single = crew.answer(case, 1, one_by_one_s)
    crew.close([case])
    return answers, single


def _differs_alone(single: Floats, answers: Floats) -> str:
    """Return a message if too many answers differ between single images and batches, else "".

    Engines choose kernels by the batch, so a few int8 answers may differ.
    """
    among = answers[: len(single)]
    wrong = int((single.argmax(axis=1) != among.argmax(axis=1)).sum())
    if wrong > max(1, len(single) // 200):
        return f"{wrong} of {len(single):,} images get another class alone than in a batch"
    return ""


def _differs_from(raw: list[tuple[Case, Floats, Floats]], answers: Floats, single: Floats) -> str:
    for case, their_answers, their_single in raw:
        count = min(len(single), len(their_single))
        if not np.array_equal(answers, their_answers) or not np.array_equal(
            single[:count], their_single[:count]
        ):
            return f"not the answers of {case.name} to the bit, from the same file"
    return ""
