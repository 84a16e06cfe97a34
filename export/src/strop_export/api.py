"""The functions of this package for scripts and notebooks."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from strop.errors import either
from strop_export import exporting, given, report, source, targets
from strop_export import metric as own_metric
from strop_export.errors import ExportError, SourceError, TargetError
from strop_export.exporting import Request
from strop_export.firmware.options import Options
from strop_export.paths import TOLERANCES
from strop_export.result import Report, Result, TargetRefused


def export(
    model: Any,
    calibration: Any,
    evaluation: Any = None,
    *,
    target: str | Path | Sequence[str | Path] = targets.ALL,
    out: str | Path = "dist",
    name: str | None = None,
    model_version: int = 1,
    labels: str | Path | Sequence[str] | None = None,
    precision: str | Sequence[str] | None = None,
    tasks: str | Mapping[str, str] | None = None,
    shapes: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    custom: str | Path | None = None,
    trust: bool = False,
    max_drop: float | None = None,
    metric: tuple[Callable[[Any, Any], float], float] | None = None,
    tolerances: str | Path | None = None,
    strict: bool = False,
    max_flash_bytes: int | None = None,
    max_ram_bytes: int | None = None,
    golden: int | None = None,
    progress: Callable[[str], None] | None = print,
) -> Result:
    """Convert a trained model for some targets, and prove each file on the engines that run it.

    Each target gets one bundle, `<name>-<target>.strop`, with every variant of the model that is
    proven. The report, the runtime's wheel and each target's requirements lie beside it. A second
    call with the same arguments finds everything there and does nothing.

    Messages name the options of the command line: `--max-drop` is the argument `max_drop`. The
    environment variables TF_CPP_MIN_LOG_LEVEL and ORT_DISABLE_TELEMETRY are set where they are not.

    >>> result = strop_export.export(
    ...     model, calibration=x_train[:500], evaluation=(x_test, y_test), target="rpi"
    ... )
    >>> strop.load(result.bundles["rpi"])

    Args:
        model: a Keras model, or the path of a `.keras` or `.h5` file or of a SavedModel's folder.
        calibration: training samples as the device's sensor gives them, 400 or more: an array
            (N, ...); a dict of arrays by input name; a list of arrays, one for each input; a tuple
            of these and their labels; a `tf.data.Dataset` of batches of such; or the path of an
            `.npz`. The ranges of quantized files come from them, and a quarter of them selects
            how to quantize.
        evaluation: test samples in the same forms, best with their labels, `(x_test, y_test)`:
            every file is judged on them. None: half of the calibration samples judge.
        target: the names of targets ("cpu", "rpi", "rpi32", "gpu", "web", "mcu"), paths of `.toml`
            files of your own, or "all", which leaves out "web" and "mcu".
        out: the folder for everything that is made.
        name: the bundles' name; by default the model's own, or its file's.
        model_version: 1 or more; devices refuse to go back to a lower one.
        labels: the names of the classes, in order, or the path of a file with one a line.
        precision: keep only the variants of these precisions, such as "int8".
        tasks: the kind of an output ("class", "regression", "raw", ...), or a dict by output name,
            where the detected one is wrong.
        shapes: the shape of one sample, or a dict by input name, where the model leaves it free.
        custom: a Python file with the classes of one's own that the model needs; needs `trust`.
        trust: run the Python code that the model's file, or `custom`, brings.
        max_drop: what a quantized file may lose: points of accuracy, or of agreement with Keras
            where there are no labels; percent of the spread for a regression. By default the
            bounds in `tolerances`.
        metric: a function of the outputs and the labels that returns a number, higher for better,
            and how much of it a file may lose: it decides on quantized files instead of the bounds
            in `tolerances`. With several outputs it gets dicts by their names. With a metric, a
            second call exports again: nothing tells whether the function's code has changed.
        tolerances: a TOML file of bounds, instead of the package's own.
        strict: refuse a target whole if one of its variants fails, instead of leaving it out.
        max_flash_bytes: refuse the target "mcu" if the model's weights and code need more on a CPU.
        max_ram_bytes: refuse it if the model's arena, variables and stack need more.
        golden: the number of golden samples that are compiled into its firmware, so that the board
            can check itself; by default none.
        progress: called with each line about the progress; None: none.

    Returns:
        The bundles' paths, and the report.

    Raises:
        SourceError: the model or the samples cannot be read, do not fit, or could not prove
            anything.
        TargetError: there is no such target.
        TargetRefused: a target has no bundle: no variant holds, or its engine cannot be had on
            this machine (which is allowed for "all"). The other bundles are written; its `result`
            has them.
        ExportError: anything else that stops an export.
        OSError: `out` or a temporary file cannot be written.
    """
    with TemporaryDirectory(prefix="strop-given-") as scratch:
        folder = Path(scratch)
        try:
            request = Request(
                files=source.Files(
                    name=str(name or given.name_of(model)),
                    model=given.model_file(model, folder),
                    calibration=given.arrays_file(calibration, folder / "calibration.npz", model),
                    evaluation=None
                    if evaluation is None
                    else given.arrays_file(evaluation, folder / "evaluation.npz", model),
                    labels=given.labels_file(labels, folder / "labels.txt"),
                    custom=Path(custom) if custom else None,
                ),
                out=Path(out),
                targets=[str(each) for each in _listed("target", target)],
                precisions=None if precision is None else _listed("precision", precision),
                model_version=model_version,
                tasks=tasks if isinstance(tasks, Mapping) else {"": tasks} if tasks else {},
                shapes=_shapes(shapes),
                trust=trust,
                tolerances=Path(tolerances) if tolerances else TOLERANCES,
                max_drop=max_drop,
                strict=strict,
                metric=None if metric is None else _metric(metric),
                firmware=Options(max_flash_bytes, max_ram_bytes, golden),
            )
            outcome = exporting.run(request, progress or _silent)
        except ExportError as error:
            raise error.without(f"{folder}{os.sep}") from error
    content = outcome.report
    paths = {bundle["target"]: request.out / bundle["file"] for bundle in content["bundles"]}
    result = Result(
        {target: paths[target] for target in outcome.targets if target in paths},
        {each.target.name: str(each.error) for each in outcome.refused},
        Report(report.of_targets(content, outcome.targets)),
    )
    if failed := outcome.failed(request):
        said = "; ".join(f"{each.bundle} refused: {each.error.problem}" for each in failed)
        mends = dict.fromkeys(each.error.mend for each in failed)
        raise TargetRefused(said, either(*mends), result)
    return result


def _listed(what: str, given: Any) -> list[Any]:
    if isinstance(given, str | Path):
        return [given]
    if not isinstance(given, Iterable):
        raise TargetError(f"{what} is {given!r}", "give a name, or a list of names")
    return list(given)


def _shapes(given: Any) -> dict[str, tuple[int, ...]]:
    if given is None:
        return {}
    shapes = given if isinstance(given, Mapping) else {"": given}
    try:
        return {str(name): tuple(map(operator.index, shape)) for name, shape in shapes.items()}
    except TypeError:
        raise SourceError(
            f"shapes is {given!r}", "give whole numbers, (28, 28, 1), or a dict of such by input"
        ) from None


def _metric(given: Any) -> own_metric.Metric:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise SourceError(
            f"metric is a {type(given).__name__}", "give (function, the loss that is allowed)"
        )
    return own_metric.of(*given)


def _silent(line: str) -> None:
    """Show nothing."""
