"""The time it takes to make the measured files from a trained Keras model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from benchmarks.cases import Case
from benchmarks.crew import Crew
from benchmarks.files import ROOT
from benchmarks.results import PEER, STROP, UNITS, Row

_AXIS = "export_time"
_LIMIT_S = 600
_BY_HAND = (
    ("TFLiteConverter", "tflite", "litert", ("int8", "float32", "float16", "dynamic")),
    ("tf2onnx", "onnx", "onnx", ("float32", "int8")),
)
COUNT = 1 + sum(len(precisions) for *_, precisions in _BY_HAND)  # processes that take seconds


def by_command(crew: Crew, step: Callable[[str], None]) -> list[Row]:
    """Time Strop's export of a target, with all proofs, and exports of single files by hand.

    Each is timed as a process from start to end, because TensorFlow's import is part of the wait.

    Args:
        crew: has the artifact to export.
        step: called with a name before each process.
    """
    rows = []
    with TemporaryDirectory(prefix="strop-bench-") as scratch:
        step("Strop export")
        artifact = ["--artifact", str(crew.files.artifact)]
        out = str(Path(scratch, "dist"))
        command = ["-m", "strop_export", *artifact, "--target", "cpu", "--out", out]
        rows.append(_timed("Strop export", STROP, "", "", command, crew))
        for name, form, engine, precisions in _BY_HAND:
            for precision in precisions:
                step(f"{name} {precision}")
                data = crew.files.artifact / "calibration.npz"
                out = str(Path(scratch, f"{precision}.{form}"))
                script = ["-m", "benchmarks.exporting", form, precision]
                command = [*script, str(crew.files.model), str(data), out]
                subject = f"{name} {precision}"
                rows.append(_timed(subject, PEER, engine, precision, command, crew))
    return rows


def by_builds(crew: Crew, cases: Sequence[Case]) -> list[Row]:
    """Make rows for files that peers build from an exported file; the export comes on top."""
    rows = []
    for case in cases:
        built = crew.built(case)
        if built is not None and built.seconds is not None:
            parts = {"measured in an earlier run": 1.0} if built.remembered else {}
            rows.append(case.row(_AXIS, value=built.seconds, parts=parts))
    return rows


def _timed(
    subject: str, kind: str, engine: str, precision: str, command: list[str], crew: Crew
) -> Row:
    value, absent = None, ""
    started = monotonic()
    try:
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=_LIMIT_S,
            check=False,
        )
        value = monotonic() - started
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            value, absent = None, f"exit status {done.returncode}: {said[:200]}"
    except subprocess.TimeoutExpired:
        absent = f"it took over {_LIMIT_S} s"
    return Row(
        subject, kind, engine, precision, _AXIS, value=value, unit=UNITS[_AXIS], absent=absent
    )
