"""`strop-export evaluate BUNDLE DATA...`: figures of a bundle over data of any size.

Exit status:

- 0: all data are evaluated.
- 1: they are evaluated, but more rows than --max-bad were set aside, or a file could not be read.
- 2: the request cannot be met; one line says why.
- 130: stopped by ^C; the same command goes on.
- 141: nobody reads the output.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from strop.commands.parsing import OneLineParser
from strop.commands.refusal import exit_status
from strop.commands.terminal import print_line, print_note, show, width
from strop.errors import InputError
from strop_export.evaluation import evaluating, page, progress, results
from strop_export.evaluation.evaluating import BATCH, LOCAL, RAY
from strop_export.evaluation.results import Evaluation

_MAX_BAD = 0.01


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    root = OneLineParser(
        prog="strop-export evaluate",
        description="Evaluate a bundle over data of any size, on this machine or on a Ray cluster: "
        "the figures are the same to the last digit. A stopped evaluation goes on when the same "
        "command is given again.",
    )
    add = root.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="a .strop file")
    add(
        "data",
        nargs="+",
        metavar="DATA",
        help="patterns of Parquet or TFRecord files, or folders of pictures (folder/<label>/...); "
        "paths, or URIs such as 's3://bucket/shards/*.parquet'",
    )
    add("--on", choices=(LOCAL, RAY), default=LOCAL, help="where to work (default local)")
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes, or actors on Ray (default: one for each CPU)",
    )
    add("--reference", type=Path, metavar="BUNDLE", help="compare each answer with this bundle's")
    add(
        "--input",
        action="append",
        default=[],
        type=_pair,
        metavar="[NAME=]COLUMN",
        help="the column of an input (default: its name, or image); commas separate the columns of "
        "a short vector",
    )
    add(
        "--label",
        action="append",
        default=[],
        type=_pair,
        metavar="[OUTPUT=]COLUMN",
        help="the column with the truth of an output (default label)",
    )
    add(
        "--slice",
        action="append",
        default=[],
        metavar="COLUMN",
        help="figures for each value of this column, too; may be given several times",
    )
    add("--engine", metavar="E", help="as in strop run; default: as the bundle prefers")
    add("--device", metavar="D", help="cpu or gpu")
    add("--precision", metavar="P", help="such as int8")
    add(
        "--batch",
        type=int,
        default=BATCH,
        metavar="N",
        help=f"samples that the model gets at once (default {BATCH})",
    )
    add(
        "--max-bad",
        type=float,
        default=_MAX_BAD,
        metavar="SHARE",
        help=f"exit with 1 if more rows are set aside (default {_MAX_BAD})",
    )
    add("--out", type=Path, default=Path("evaluation"), metavar="DIR", help="default evaluation")
    add("--restart", action="store_true", help="forget what --out holds of an earlier evaluation")
    add("--json", action="store_true", help="print metrics.json instead of tables")
    return root


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: the arguments after `evaluate`.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    arguments = parser().parse_args(argv)
    return exit_status(
        lambda: _run(arguments),
        program="strop-export",
        as_json=arguments.json,
        after_stop="; the same command goes on",
    )


def _run(arguments: argparse.Namespace) -> int:
    found = _evaluate(arguments)
    _print(found, as_json=arguments.json)
    return 0 if found.is_complete(arguments.max_bad) else 1


def _evaluate(arguments: argparse.Namespace) -> Evaluation:
    if not 0 <= arguments.max_bad <= 1:
        raise InputError(f"--max-bad must be between 0 and 1, got {arguments.max_bad}")
    with progress.on_terminal() as show_status:
        return evaluating.evaluate(
            arguments.bundle,
            arguments.data,
            on=arguments.on,
            workers=arguments.workers,
            reference=arguments.reference,
            inputs=_dict(arguments.input, "--input"),
            labels=_dict(arguments.label, "--label"),
            slices=arguments.slice,
            engine=arguments.engine,
            device=arguments.device,
            precision=arguments.precision,
            batch=arguments.batch,
            out=arguments.out,
            restart=arguments.restart,
            say=print_note,
            show=show_status,
        )


def _print(found: Evaluation, *, as_json: bool) -> None:
    if as_json:
        show(json.dumps(found.metrics, indent=2, sort_keys=True, allow_nan=False))
        return
    show(*page.tables(found.metrics["figures"], width()))
    run, rows = found.run, found.metrics["rows"]
    print_line(f"{rows['counted']:,} samples, {run['rows_per_s']:,.0f} a second on {run['on']}")
    if rows["set_aside"] or rows["files_cut_short"]:
        print_line(
            f"{rows['set_aside']:,} rows set aside, {rows['files_cut_short']} files not read to "
            f"their end: {found.folder / results.BAD_ROWS} says why"
        )
    print_line(f"{found.folder / results.REPORT} and {results.METRICS} hold these figures")


def _pair(text: str) -> tuple[str, str]:
    """Read NAME=COLUMN; COLUMN alone has the name ""."""
    name, separator, column = text.partition("=")
    pair = (name, column) if separator else ("", text)
    if not pair[1] or (separator and not name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=COLUMN or COLUMN")
    return pair


def _dict(pairs: Sequence[tuple[str, str]], option: str) -> dict[str, str]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{option} {name or 'COLUMN'} is given {names.count(name)} times")
    return dict(pairs)
