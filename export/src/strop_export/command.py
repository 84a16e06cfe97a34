"""`strop-export [export]`: turn a trained model into proven bundles."""

from __future__ import annotations

import argparse
import atexit
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from strop.commands.refusal import exit_status
from strop.commands.terminal import print_line, print_note, show, width
from strop.errors import printable
from strop_export import calibration, exporting, metric, report, source, targets
from strop_export.arguments import parser
from strop_export.errors import SourceError
from strop_export.exporting import Outcome, Request
from strop_export.firmware.options import Options


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: the arguments after `export`.

    Returns:
        The exit status, as `strop_export.__main__` lists it.
    """
    arguments = parser().parse_args(argv)
    run = _list_targets if arguments.list_targets else lambda: _export(arguments)
    return exit_status(run, program="export")


def _list_targets() -> int:
    for target in map(targets.load, targets.names()):
        print_line(f"{target.name:<6} {target.description}; engines {', '.join(target.engines)}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    request = _request(arguments)
    if not (arguments.metric or arguments.trust):
        # Python's end looks for cycles among all that Keras and TensorFlow made: 1.2 s. It also
        # closes the files that code of the user's left open, so it is only skipped without any.
        atexit.register(gc.freeze)
    with _progress() as progress:
        outcome = exporting.run(request, progress)
    _show(outcome, request.out)
    for result in outcome.refused:
        print_note(f"export: {result.bundle} refused: {result.error}")
    failed = outcome.failed(request)
    if any(not result.engine_missing for result in failed):
        return 1
    return 2 if failed else 0


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show each line at once, and the last one beside a spinner where there is a terminal."""
    console = Console()
    if not console.is_terminal:
        yield lambda line: show(printable(line))
        return
    with console.status("starting") as status:

        def show_line(line: str) -> None:
            text = Text(printable(line))  # no markup
            status.update(text)
            console.print(text, style="dim", soft_wrap=True)

        yield show_line


def _show(outcome: Outcome, out: Path) -> None:
    show(*report.tables(outcome.report, width()))
    for note in (*calibration.lines(outcome.report), *report.notes(outcome.report)):
        print_line(note)
    if not outcome.made:
        print_line(f"{out}/ is up to date: nothing to do")
        return
    print_line(f"{out / 'report.md'} and report.json hold these figures")
    if outcome.stray:
        print_line(f"from earlier exports, not in the report: {', '.join(outcome.stray)}")


def _request(arguments: argparse.Namespace) -> Request:
    return Request(
        files=_files(arguments),
        out=arguments.out,
        targets=arguments.target or [targets.ALL],
        precisions=arguments.precision,
        model_version=arguments.model_version,
        tasks=dict(arguments.task),
        shapes=dict(arguments.shape),
        trust=arguments.trust,
        tolerances=arguments.tolerances,
        max_drop=arguments.max_drop,
        strict=arguments.strict,
        metric=metric.load(*arguments.metric) if arguments.metric else None,
        firmware=Options(arguments.max_flash_bytes, arguments.max_ram_bytes, arguments.golden),
    )


def _files(arguments: argparse.Namespace) -> source.Files:
    given = [path for path in (arguments.given, arguments.model) if path is not None]
    if len(given) + (arguments.artifact is not None) != 1:
        raise SourceError(
            "the command line names no model, or more than one",
            "give one: strop-export MODEL --calibration FILE.npz, or --artifact DIR",
        )
    if not given:
        for option in ("calibration", "evaluation", "labels", "name", "custom", "shape", "task"):
            if getattr(arguments, option):
                raise SourceError(f"--{option} goes with a model", "an artifact has its own")
        return source.artifact(arguments.artifact)
    (model,) = given
    if arguments.calibration is None:
        raise SourceError(
            f"{model} needs --calibration FILE.npz",
            "it holds an array `inputs` (N, ...) of training samples as the device's sensor gives "
            "them, or one array for each input, by name",
        )
    return source.Files(
        name=arguments.name or model.stem,
        model=model,
        calibration=arguments.calibration,
        evaluation=arguments.evaluation,
        labels=arguments.labels,
        custom=arguments.custom,
    )
