"""`strop-export evaluate` as a process: run to its end, or killed when it has saved something."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.environments import run
from tests.scale import processes
from tests.scale.digits import SLICES

_POLL_S = 0.01
_SAVED_S = 120.0
_GONE_S = 30.0
# Runs a command, and writes the most memory that one of its processes held. A program inherits the
# peak of the process that starts it: here that would be pytest's.
_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024))
sys.exit(status)
"""


def metrics(out: Path) -> bytes:
    """metrics.json, byte for byte."""
    return (out / "metrics.json").read_bytes()


def figures(out: Path) -> Any:
    """The figures in metrics.json, without what they are about."""
    return json.loads(metrics(out))["figures"]


def ran(out: Path) -> dict[str, Any]:
    """run.json: what the last run did, and how fast."""
    found: dict[str, Any] = json.loads((out / "run.json").read_bytes())
    return found


def saved(out: Path) -> tuple[list[int], int]:
    """What the journal of a killed evaluation holds: the pieces that are done, and their rows."""
    try:
        state = json.loads((out / "journal" / "state.json").read_bytes())
    except FileNotFoundError:
        return [], 0
    done = int(state["done"], 16)
    return [i for i in range(done.bit_length()) if done >> i & 1], state["rows"]


def journal_bytes(out: Path) -> int:
    """The size of the journal of a killed evaluation."""
    return sum(path.stat().st_size for path in (out / "journal").rglob("*") if path.is_file())


def evaluate(
    bundle: Path,
    data: Iterable[Path],
    out: Path,
    *options: str,
    slices: Iterable[str] = SLICES,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Evaluate; it must be done, and all of it be good.

    Args:
        bundle: the bundle.
        data: files or folders.
        out: where to.
        *options: of the command.
        slices: columns.
        variables: of the environment, besides this process's.

    Returns:
        The most memory that one of its processes held, in bytes; not of those that Ray started.
    """
    peak = out.with_suffix(".peak")
    command = _command(bundle, data, out, options, slices)
    environment = {**os.environ, **(variables or {})}
    run(sys.executable, "-c", _PEAK, peak, *command, env=environment)
    return int(peak.read_text("ascii"))


def evaluate_with_losses(bundle: Path, data: Iterable[Path], out: Path, *options: str) -> int:
    """Evaluate, and return the exit status."""
    return run(*_command(bundle, data, out, options, SLICES), check=False).returncode


def kill_when_saved(
    share: float, bundle: Path, data: Iterable[Path], out: Path, *options: str
) -> None:
    """Evaluate, and kill all that was started when the journal has a share of the rows.

    The processes that Ray starts have sessions of their own: they must end by themselves.
    """
    mark = processes.mark()
    log = out.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen(
            _command(bundle, data, out, options, SLICES),
            stdout=file,
            stderr=file,
            env={**os.environ, **mark},
            start_new_session=True,
        )
    ends = time.monotonic() + _SAVED_S
    try:
        while len(saved(out)[0]) < share * _pieces(out):
            assert process.poll() is None, f"ended too early: {log.read_text('utf-8', 'replace')}"
            assert time.monotonic() < ends, f"saved too little in {_SAVED_S:.0f} s"
            time.sleep(_POLL_S)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = processes.kill_left(mark, _GONE_S)
    assert not left, f"processes that outlived the evaluation: {left}"


def _command(
    bundle: Path, data: Iterable[Path], out: Path, options: Iterable[str], slices: Iterable[str]
) -> list[str]:
    by = [word for column in slices for word in ("--slice", column)]
    paths = map(str, data)
    command = [sys.executable, "-m", "strop_export", "evaluate", str(bundle), *paths]
    return [*command, "--out", str(out), *by, *options]


def _pieces(out: Path) -> float:
    """The number of pieces; many until the journal tells."""
    try:
        pieces: int = json.loads((out / "journal" / "state.json").read_bytes())["units"]
    except FileNotFoundError:
        return float("inf")
    return pieces
