"""`python -m benchmarks BUNDLE`: predict against the raw loop, on every engine installed here."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.overhead import Overhead, measure
from benchmarks.raw_loops import LOOPS
from strop import engines
from strop.bundle import open_bundle
from strop.errors import StropError


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--engine", choices=sorted(LOOPS), help="this one only")
    parser.add_argument("--rounds", type=int, default=40, help="of 250 calls each (default 40)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    try:
        results = _measure_all(arguments)
    except (StropError, ArithmeticError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        rows = [
            {**asdict(r), "predict": r.predict._asdict(), "raw": r.raw._asdict()} for r in results
        ]
        print(json.dumps(rows, indent=2))
    return 0


def _measure_all(arguments: argparse.Namespace) -> list[Overhead]:
    manifest = open_bundle(arguments.bundle).manifest
    results = []
    if not arguments.json:
        print(
            "one image, one thread, us         predict p50   p95   p99   raw p50   p95   p99   +us"
        )
    for engine in LOOPS:
        if engine not in manifest.engines or arguments.engine not in (None, engine):
            continue
        if not engines.is_installed(engine):
            print(f"{engine}: not installed here", file=sys.stderr)
            continue
        for variant in manifest.variants:
            if engine in variant.engines:
                result = measure(
                    arguments.bundle, engine, variant.precision, rounds=arguments.rounds
                )
                results.append(result)
                if not arguments.json:
                    print(_row(result), flush=True)
    return results


def _row(r: Overhead) -> str:
    name = f"{r.engine} {r.engine_version} {r.precision}"
    figures = "".join(f"{value:6.1f}" for value in (*r.predict[1:3], r.raw[0], *r.raw[1:3]))
    return f"{name:33s} {r.predict.p50_us:11.1f}{figures}  {r.overhead_us:+5.2f}"


if __name__ == "__main__":
    sys.exit(main())
