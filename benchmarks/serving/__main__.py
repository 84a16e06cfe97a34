"""`python -m benchmarks.serving`: `strop serve` beside LitServe, BentoML and MLServer.

Exit status: 0 the results are written, and no request was lost or answered wrongly; 1 some were;
2 nothing can be measured, and one line says why.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.alone import alone
from benchmarks.command import status_of
from benchmarks.files import CACHE, ROOT, NotMeasurable
from benchmarks.serving import measure, report
from benchmarks.serving.servers import installed, servers
from strop.bundle.open import open_bundle

_IMAGES = 16


def main() -> int:
    """Run the command line.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    arguments = _parser().parse_args()
    return status_of(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    with alone(), tempfile.TemporaryDirectory(prefix="strop-serving-") as name:
        measured = _measured(arguments, Path(name))
    report.show(measured)
    return int(any(row.wrong or row.lost for row in measured.rows))


def _measured(arguments: argparse.Namespace, folder: Path) -> measure.Measured:
    plan = measure.QUICK if arguments.quick else measure.FULL
    path = arguments.dist / f"{arguments.artifact.name}-cpu.strop"
    if not path.is_file():
        raise NotMeasurable(f"there is no {path}: run `make export`")
    name = open_bundle(path).manifest.name
    chosen = [it for it in servers(name) if fnmatch.fnmatch(it.name, arguments.only)]
    if not chosen:
        raise NotMeasurable(f"nothing is called {arguments.only!r}; a name is 'MLServer'")
    with np.load(arguments.artifact / "evaluation.npz") as content:
        images = content["inputs"][:_IMAGES]
    here = installed(folder)
    environment = machine.describe(here, quick=plan.quick)
    measured = measure.measure(chosen, here, path, images, folder, plan, _say)
    report.write(arguments.out, environment, measured)
    return measured


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 requests of each payload")
    parser.add_argument("--out", type=Path, default=CACHE / "serving.json", metavar="RESULTS.json")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="'Strop*', 'MLServer'")
    parser.add_argument("--artifact", type=Path, default=ROOT / "artifacts" / "mnist-mlp")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    return parser


if __name__ == "__main__":
    sys.exit(main())
