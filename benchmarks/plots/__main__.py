"""`python -m benchmarks.plots RESULTS.json`: draw a run's pictures and page again, beside it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import page, plots
from benchmarks.results import LATEST, load


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status: 0 all is drawn, 2 it cannot be drawn.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=LATEST, metavar="RESULTS.json")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="the folder to draw into (default: the results')"
    )
    arguments = parser.parse_args(argv)
    folder = arguments.out or arguments.results.parent
    try:
        results = load(arguments.results)
    except (OSError, ValueError, TypeError, KeyError) as error:
        print(
            f"benchmarks: {arguments.results} is not a result of make bench: {error}",
            file=sys.stderr,
        )
        return 2
    try:
        for path in plots.write(results, folder):
            print(path)
        path = folder / f"{arguments.results.stem}.md"
        page.write(results, path)
    except OSError as error:
        print(f"benchmarks: cannot write into {folder}: {error.strerror}", file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
