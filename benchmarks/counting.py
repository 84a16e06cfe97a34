"""`python -m benchmarks.counting BUNDLE IMAGE`: what counting adds to a call of one image.

Two models of one bundle on the native engine, int8, of which one counts one call of `EVERY`. Both
take turns of the same number of calls; the difference is taken turn by turn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

import strop
from benchmarks.files import ROOT, Files
from benchmarks.results import STROP, UNITS, Row
from strop.errors import StropError

EVERY = 1000
_AXIS, _ENGINE, _PRECISION = "counting", "native", "int8"
_SUBJECT = f"Strop {_ENGINE} {_PRECISION}"
_CALLS = 2 * EVERY  # of a turn: short, beside other work, and two of them are counted on average
_KEPT = 100  # differences that the results keep
_FULL, _QUICK = 1000, 250  # turns of each


def measure(files: Files, quick: bool) -> Row:
    """Time calls with and without counting, in a separate process.

    Args:
        files: has the bundle and an image.
        quick: take fewer turns.

    Raises:
        RuntimeError: the process failed; the reason is on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.counting"]
    command += [str(files.bundle(_ENGINE)), str(files.images), *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"benchmarks.counting failed with status {done.returncode}")
    content = json.loads(done.stdout)
    return Row(**{**content, "samples_us": tuple(content["samples_us"])})


def main(argv: Sequence[str] | None = None) -> int:
    """Print the row as JSON.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status, 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counting", description=__doc__)
    parser.add_argument("bundle", type=Path, help="a .strop file of a model of bytes")
    parser.add_argument("images", type=Path, help="an .npy file of its samples")
    parser.add_argument("--quick", action="store_true", help="fewer turns, in a second or so")
    arguments = parser.parse_args(argv)
    image = np.array(np.load(arguments.images, mmap_mode="r")[:1])
    turns = _QUICK if arguments.quick else _FULL
    print(json.dumps(asdict(time_both(arguments.bundle, image, turns, _CALLS))))
    return 0


def time_both(bundle: Path, image: Any, turns: int, calls: int) -> Row:
    """Time a model that counts beside one that does not.

    Args:
        bundle: the bundle's file.
        image: one sample, (1, ...), of the model's dtype.
        turns: of each model.
        calls: of each turn.

    Returns:
        The row: `value` is the median over the turns of what a call takes longer, in us. It says
        why if there is none.
    """
    try:
        plain = strop.load(bundle, engine=_ENGINE, precision=_PRECISION)
        counts = strop.load(bundle, engine=_ENGINE, precision=_PRECISION, count_every=EVERY)
    except StropError as error:
        return Row(_SUBJECT, STROP, _ENGINE, _PRECISION, _AXIS, absent=str(error))
    with plain, counts:
        without, added = [], []
        for turn in range(-1, turns):
            both = {False: plain.predict, True: counts.predict}
            took = {
                is_counted: _call_us(both[is_counted], image, calls)
                for is_counted in (turn % 2 == 0, turn % 2 != 0)
            }
            if turn >= 0:  # the first is for the caches
                without.append(took[False])
                added.append(took[True] - took[False])
        samples = counts.counts().samples
    parts = {"without": float(np.median(without)), "every": EVERY, "counted": samples}
    value = float(np.median(added))
    kept = tuple(round(us, 4) for us in added)
    return Row(
        *(_SUBJECT, STROP, _ENGINE, _PRECISION, _AXIS),
        batch=1,
        value=value,
        unit=UNITS[_AXIS],
        samples_us=kept[:: max(1, len(kept) // _KEPT)],
        parts=parts,
    )


def _call_us(call: Callable[[Any], Any], image: Any, calls: int) -> float:
    """Return the mean time of a call: those that are counted must count."""
    started = perf_counter_ns()
    for _ in range(calls):
        call(image)
    return (perf_counter_ns() - started) / 1000 / calls


if __name__ == "__main__":
    sys.exit(main())
