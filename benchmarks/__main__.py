"""`python -m benchmarks`: Strop compared with its engines' own loops and with other packages.

It measures the files that `make export` wrote. Exit status: 0 the results are written; 2 they
cannot be measured, and one line says why; 130 after ^C, with the results of an earlier run
unchanged.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic

from rich.console import Console

from benchmarks import environments, files, machine, page, plots, run, table
from benchmarks.alone import alone
from benchmarks.cases import Case, cases
from benchmarks.command import status_of
from benchmarks.crew import Crew
from benchmarks.files import CACHE, ROOT, NotMeasurable
from benchmarks.progress import Bar
from benchmarks.results import LATEST, Results


def main() -> int:
    """Run the command line.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    arguments = _parser().parse_args()
    return status_of(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    chosen = cases(arguments.only)
    if not chosen:
        raise NotMeasurable(f"nothing is called {arguments.only!r}; a name is 'Strop litert int8'")
    console = Console()
    with alone():
        results = _measured(arguments, chosen, console)
        results.write(arguments.out)
        page.write(results, arguments.out.with_suffix(".md"))
        pictures = plots.write(results, arguments.out.parent)
    table.show(results)
    console.print(f"{arguments.out}, its page and {len(pictures)} pictures", style="dim")
    return 0


def _measured(arguments: argparse.Namespace, chosen: list[Case], console: Console) -> Results:
    started = monotonic()
    plan = run.QUICK if arguments.quick else run.FULL
    prepared = files.prepare(arguments.artifact, arguments.dist, CACHE / "files")
    places = environments.here(files.wheels(arguments.dist))
    environment = machine.describe(places, quick=plan.quick)
    with Bar(console) as bar, Crew(places, prepared) as crew:
        rows, ratios = run.measure(crew, chosen, set(arguments.axes), plan, bar)
    environment["seconds"] = round(monotonic() - started, 1)
    return Results(environment, tuple(rows), tuple(ratios))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="all axes, in a minute or so")
    parser.add_argument("--out", type=Path, default=LATEST, metavar="RESULTS.json")
    parser.add_argument(
        "--axes", type=_axes, default=run.AXES, help=f"some of {','.join(run.AXES)}"
    )
    parser.add_argument("--only", default="*", metavar="PATTERN", help="'*int8', 'Strop*'")
    parser.add_argument("--artifact", type=Path, default=ROOT / "artifacts" / "mnist-mlp")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    return parser


def _axes(words: str) -> tuple[str, ...]:
    axes = tuple(words.split(","))
    if unknown := [axis for axis in axes if axis not in run.AXES]:
        raise argparse.ArgumentTypeError(
            f"there is no axis {unknown[0]!r}; there are {', '.join(run.AXES)}"
        )
    return axes


if __name__ == "__main__":
    sys.exit(main())
