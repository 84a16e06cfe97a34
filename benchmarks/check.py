"""`python -m benchmarks.check FRESH.json`: check whether Strop is slower than the baseline.

Times of two runs are not compared directly. In each run, Strop's time is divided by that of a peer
that never changes, and these quotients are compared. Exit status: 0 nothing is slower; 1 something
is; 2 the runs cannot be compared, with one line that says what to do.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.results import RESULTS, Results, load
from benchmarks.subjects import Subject, subjects

BASELINE = RESULTS / "baseline.json"
PEER = "NumPy alone"  # our own loop over NumPy, which uses nothing of Strop's runtime and engines

_AXES = ("latency", "throughput")
_ESSENTIAL = ("date", "mode", "commit", "cpu", "os", "python", "packages")
_PIPED = 100  # columns, if there is no screen


class Incomparable(Exception):
    """Two runs cannot be compared; the message says why and what to do."""


class Key(NamedTuple):
    """The subject, axis and batch of a quotient."""

    subject: str
    axis: str
    batch: int


Quotients = dict[Key, float]  # time an image over the peer's, in the same run


@dataclass(frozen=True)
class Baseline:
    """The run that later runs are compared with."""

    environment: dict[str, Any]
    quotients: Quotients


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    arguments = _parser().parse_args(argv)
    try:
        fresh = _fresh(arguments.fresh)
        if arguments.accept:
            write(fresh, arguments.baseline)
            print(f"{arguments.baseline}: {len(fresh.quotients)} quotients")
            return 0
        return compare(read(arguments.baseline), fresh, arguments.tolerance)
    except Incomparable as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check", description=__doc__)
    parser.add_argument("fresh", type=Path, metavar="FRESH.json", help="what make bench wrote")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="BASELINE.json")
    parser.add_argument(
        "--tolerance", type=float, default=1.25, help="times the baseline (default 1.25)"
    )
    parser.add_argument(
        "--accept", action="store_true", help="make this run the baseline, and compare nothing"
    )
    return parser


def quotients(results: Results) -> Quotients:
    """Divide Strop's times per image by the peer's, for each subject, axis and batch.

    Raises:
        Incomparable: the peer was not measured.
    """
    peer = _times([one for one in subjects(results) if one.way == PEER])
    if not peer:
        raise Incomparable(
            f"{PEER}, the divisor of all times, was not measured: run all of `make bench`"
        )
    of_peer = {(key.axis, key.batch): value for key, value in peer.items()}
    ours = _times([one for one in subjects(results) if one.is_strop])
    return {
        key: value / of_peer[key.axis, key.batch]
        for key, value in ours.items()
        if (key.axis, key.batch) in of_peer
    }


def _times(some: Sequence[Subject]) -> Quotients:
    """Return the times per image, in microseconds."""
    found = {}
    for one in some:
        for axis in _AXES:
            for batch, value in one.by_batch(axis).items():
                found[Key(one.name, axis, batch)] = value if axis == "latency" else 1e6 / value
    return found


def compare(old: Baseline, new: Baseline, tolerance: float) -> int:
    """Print a line for each quotient, and the number of slower ones.

    Args:
        old: the baseline.
        new: the run to judge.
        tolerance: the most that a quotient may be, as a multiple of its old value.

    Returns:
        The exit status: 1 if a quotient is slower, else 0.

    Raises:
        Incomparable: the CPUs differ, the runs have nothing in common, or a quotient of the
            baseline is missing.
    """
    was, now = _cpu(old.environment), _cpu(new.environment)
    if was != now:
        raise Incomparable(
            f"the baseline is of {was}, this run of {now}: quotients differ between them. "
            "Compare with a run of the same CPU (--baseline), or make this one the baseline "
            "(--accept)"
        )
    measured = {(key.axis, key.batch) for key in new.quotients}  # a quick run has fewer batches
    due = [key for key in old.quotients if (key.axis, key.batch) in measured]
    if not due:
        raise Incomparable("the baseline and this run have nothing in common: --accept this one")
    gone = [f"{key.subject} ({_axis(key)})" for key in due if key not in new.quotients]
    if gone:
        raise Incomparable(
            f"in the baseline and not in this run: {', '.join(gone)}. Measure them, or --accept "
            "this run as the baseline without them"
        )
    slower = _print(old.quotients, new.quotients, due, tolerance)
    print(f"{len(slower)} of {len(due)} slower than {tolerance:g} times the baseline")
    return 1 if slower else 0


def _print(
    old: Mapping[Key, float], new: Mapping[Key, float], keys: Sequence[Key], tolerance: float
) -> list[Key]:
    """Print the table, and return the keys of the quotients that are slower."""
    table = Table(
        title=f"Time an image, {PEER} = 1",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("", "axis"):
        table.add_column(column)
    for column in ("baseline", "now", "change"):
        table.add_column(column, justify="right")
    table.add_column("")
    slower = []
    for key in keys:
        change = new[key] / old[key]
        if change > tolerance:
            slower.append(key)
        verdict, style = ("slower", "bold red") if change > tolerance else ("", None)
        figures = f"{old[key]:.3f}", f"{new[key]:.3f}", f"{change:.2f} x"
        table.add_row(key.subject, _axis(key), *figures, verdict, style=style)
    Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED).print(table)
    return slower


def read(path: Path) -> Baseline:
    """Read a baseline that `write` wrote.

    Args:
        path: the JSON file.

    Raises:
        Incomparable: there is no such file, or it is not a baseline.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pairs = ((Key(*row[:3]), float(row[3])) for row in content["quotients"])
        return Baseline(dict(content["environment"]), dict(pairs))
    except FileNotFoundError:
        raise Incomparable(
            f"there is no baseline {path}: write one with `python -m benchmarks.check FRESH.json "
            "--accept`"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Incomparable(f"{path} is not a baseline: {type(error).__name__}: {error}") from None


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline as JSON, with one quotient per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps([*key, round(value, 5)]) for key, value in baseline.quotients.items()]
    environment = json.dumps(baseline.environment, indent=1)
    text = f'{{"environment": {environment},\n"quotients": [\n' + ",\n".join(rows) + "\n]}\n"
    path.write_text(text, encoding="utf-8")


def _fresh(path: Path) -> Baseline:
    try:
        results = load(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Incomparable(f"{path} is not a result of make bench: {error}") from None
    known = {name: results.environment.get(name) for name in _ESSENTIAL}
    return Baseline(known, quotients(results))


def _cpu(environment: Mapping[str, Any]) -> str:
    return str((environment.get("cpu") or {}).get("model") or "an unknown CPU")


def _axis(key: Key) -> str:
    return "one image" if key.axis == "latency" else f"{key.batch:,} images a call"


if __name__ == "__main__":
    sys.exit(main())
