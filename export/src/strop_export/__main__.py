"""`python -m strop_export`: turn a trained model into proven bundles.

`python -m strop_export explain` prints a bundle's report again.

Exit status:

- 0: every target has its bundle. With `--target all`, a target whose engine cannot be had on this
  workstation does not count; it is named.
- 1: a target was refused, by its proof or because an engine is too old for a file.
- 2: the request cannot be met; one line says why.
- 130: stopped by ^C.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.text import Text

from strop.commands.terminal import print_line, print_note, width
from strop.errors import StropError, printable
from strop_export import (
    calibration,
    dist,
    freshness,
    guarded,
    page,
    pipeline,
    report,
    source,
    targets,
)
from strop_export.arguments import parser
from strop_export.errors import SourceError
from strop_export.floors import table
from strop_export.layer_errors.picture import pictures
from strop_export.pipeline import Finished, Refused
from strop_export.proof import gpu
from strop_export.proof.environments import build_wheel
from strop_export.proof.runs import Progress
from strop_export.tolerances import Tolerance
from strop_export.tolerances import tolerances as read_tolerances


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["explain"]:
        from strop_export.explain import main as explain

        return explain(given[1:])
    arguments = parser().parse_args(given)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what TensorFlow says on loading
    try:
        return _export(arguments)
    except KeyboardInterrupt:
        print_note("export: stopped")
        return 130
    except StropError as error:
        print_note(f"export: {error}")
    except OSError as error:
        print_note(f"export: {error.filename or 'output'}: {error.strerror}")
    return 2


def _export(arguments: argparse.Namespace) -> int:
    wanted = arguments.target or [targets.ALL]
    chosen = targets.of_precisions(targets.load_all(wanted), arguments.precision)
    for target in chosen:
        table.check_pins(target)
    files = _files(arguments)
    max_drop = None if arguments.max_drop is None else arguments.max_drop / 100
    tolerances = read_tolerances(files.name, arguments.tolerances, max_drop)
    options = {
        "name": files.name,
        "model_version": arguments.model_version,
        "tolerances": arguments.tolerances.read_text(encoding="utf-8"),
        "max_drop": max_drop,
        "task": arguments.task,
        "shape": arguments.shape,
    }
    digests = files.digests()
    key = freshness.key(digests, options)
    old = freshness.read_report(arguments.out, key)
    adapters = gpu.adapters() if any(target.gpu_engines for target in chosen) else ()
    fresh = freshness.fresh_targets(arguments.out, old, chosen, adapters)
    if arguments.strict:  # a bundle that lacks a file may be refused now
        fresh -= {note["target"] for note in old.get("left_out", ())}
        fresh -= {entry["target"] for entry in old.get("guard", ()) if guarded.is_float(entry)}
    stale = [target for target in chosen if target.name not in fresh]
    if not stale:
        _show(old)
        print_line(f"{arguments.out}/ is up to date: nothing to do")
        return 0
    console = Console()
    with console.status("starting") as status, TemporaryDirectory(prefix="strop-") as scratch:

        def progress(step: str) -> None:
            text = Text(printable(step))  # no markup
            status.update(text)
            console.print("  ", text, style="dim", sep="", soft_wrap=True)

        progress("building the runtime's wheel")
        wheel = build_wheel(Path(scratch))
        results, keras, examined = _make(
            arguments, files, stale, adapters, tolerances, wheel, progress
        )
        dist.publish(arguments.out, wheel, results)
    wheel = arguments.out / wheel.name
    made = report.Made(files.name, wheel, keras, adapters, examined, arguments.max_drop)
    content = report.merge(old, fresh, results, made, key)
    settled = arguments.out / calibration.picture_name(files.name)
    settled.unlink(missing_ok=True)
    if examined["settling"]:
        dist.write(settled, calibration.draw(files.name, examined["settling"]))
    dist.write(arguments.out / "report.json", report.to_json(content))
    dist.write(arguments.out / "report.md", page.to_markdown(content))
    for name, picture in pictures(content["layers"]):
        dist.write(arguments.out / name, picture)
    _show(content)
    print_line(f"{arguments.out / 'report.md'} and report.json hold these figures")
    others = {p.name for p in arguments.out.glob("*.strop")} - report.bundle_names(content)
    if others:
        print_line(f"from earlier exports, not in the report: {', '.join(sorted(others))}")
    return _verdict(results, explicit=targets.ALL not in wanted)


def _show(content: dict[str, Any]) -> None:
    for line in report.tables(content, width()):
        print(line)
    for note in (*calibration.lines(content), *report.notes(content)):
        print_line(note)


def _make(
    arguments: argparse.Namespace,
    files: source.Files,
    stale: list[targets.Target],
    adapters: tuple[str, ...],
    tolerances: dict[str, Tolerance],
    wheel: Path,
    progress: Progress,
) -> tuple[list[Finished | Refused], dict[str, Any], dict[str, Any]]:
    """Export the stale targets.

    Returns:
        The results, the figures that Keras achieves, and the examination of the calibration.
    """
    progress(f"reading {files.model}")
    read = source.read(
        files,
        model_version=arguments.model_version,
        trust=arguments.trust,
        shapes=dict(arguments.shape),
        tasks=dict(arguments.task),
    )
    if read.self_evaluated and arguments.strict:
        raise SourceError(
            "--strict takes no self-evaluation", "give test samples with --evaluation"
        )
    for spec in read.outputs:
        progress(f"output {spec.name} is judged as {spec.kind}")
    for note in read.notes:
        progress(f"note: {note}")
    progress("examining the calibration samples")
    examined = calibration.examine(read)
    workstation, refused = pipeline.find_engines(files.name, stale, adapters, progress)
    results: list[Finished | Refused] = list(refused)
    refused_names = {refusal.target.name for refusal in refused}
    able = [target for target in stale if target.name not in refused_names]
    if able:
        record = {"source": dict(read.digests), "versions": freshness.versions()}
        results += pipeline.export(
            read,
            able,
            tolerances,
            workstation,
            wheel,
            record,
            progress,
            strict=arguments.strict,
        )
    return results, report.keras_figures(read), examined


def _verdict(results: list[Finished | Refused], *, explicit: bool) -> int:
    """Print each refused target with the reason; return the exit status."""
    refused = [result for result in results if isinstance(result, Refused)]
    for result in refused:
        print_note(f"export: {result.bundle} refused: {result.error}")
    if any(not result.engine_missing for result in refused):
        return 1
    return 2 if explicit and refused else 0


def _files(arguments: argparse.Namespace) -> source.Files:
    if arguments.model is None:
        for option in ("calibration", "evaluation", "labels", "name", "custom", "shape", "task"):
            if getattr(arguments, option):
                raise SourceError(
                    f"--{option} goes with --model: an artifact has its own", f"remove --{option}"
                )
        return source.artifact(arguments.artifact)
    if arguments.calibration is None:
        raise SourceError(
            "--model needs --calibration FILE.npz",
            "give an array `inputs` (N, ...) of training samples as the device's sensor gives "
            "them, or one array for each input, by name",
        )
    return source.Files(
        name=arguments.name or arguments.model.stem,
        model=arguments.model,
        calibration=arguments.calibration,
        evaluation=arguments.evaluation,
        labels=arguments.labels,
        custom=arguments.custom,
    )


if __name__ == "__main__":
    sys.exit(main())
