"""`strop-export evaluate` as a process: run to its end, or killed when it has saved something."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.environments import run
from tests.scale.digits import SLICES

_POLL_S = 0.01
_SAVED_S = 120.0
_GONE_S = 30.0
_MARK = "STROP_SCALE_RUN"  # in the environment of all processes of an evaluation


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


def evaluate(
    bundle: Path, data: Iterable[Path], out: Path, *options: str, slices: Iterable[str] = SLICES
) -> subprocess.CompletedProcess[str]:
    """Evaluate; it must be done, and all of it be good."""
    return run(*_command(bundle, data, out, options, slices))


def evaluate_with_losses(bundle: Path, data: Iterable[Path], out: Path, *options: str) -> int:
    """Evaluate, and return the exit status."""
    return run(*_command(bundle, data, out, options, SLICES), check=False).returncode


def kill_when_saved(
    share: float, bundle: Path, data: Iterable[Path], out: Path, *options: str
) -> None:
    """Evaluate, and kill all that was started when the journal has a share of the rows.

    The processes that Ray starts have sessions of their own: they must end by themselves.
    """
    mark = f"{_MARK}={secrets.token_hex(8)}"
    name, _, value = mark.partition("=")
    log = out.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen(
            _command(bundle, data, out, options, SLICES),
            stdout=file,
            stderr=file,
            env={**os.environ, name: value},
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
    left = _wait_for_all(mark.encode("ascii"))
    for number in left:
        os.kill(number, signal.SIGKILL)
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


def _wait_for_all(mark: bytes) -> list[int]:
    """Wait until all processes with a mark have ended; return those that have not."""
    ends = time.monotonic() + _GONE_S
    while (left := _marked(mark)) and time.monotonic() < ends:
        time.sleep(0.1)
    return left


def _marked(mark: bytes) -> list[int]:
    """The processes with a mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if mark in environment.split(b"\0"):
            found.append(int(path.parent.name))
    return found
