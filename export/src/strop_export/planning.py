"""The files of each target: those that it asks for, or those that the guard chose instead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop_export import guard
from strop_export.conversion import Converter
from strop_export.errors import ConversionError, ProofError
from strop_export.floors import table
from strop_export.formats import Converted, VariantSpec
from strop_export.layer_errors.measure import TensorError
from strop_export.metric import Metric
from strop_export.proof.prove import Truth
from strop_export.proof.runs import Progress
from strop_export.source import Source
from strop_export.targets import Target
from strop_export.tolerances import QUANTIZED, Tolerance

_MOST: Final = 1000  # calibrating samples that judge too


@dataclass(frozen=True)
class Plan:
    """A target, the same target with the files that the guard chose, and how it chose them."""

    asked: Target
    chosen: Target
    guarded: tuple[guard.Path, ...]

    def measured(self) -> list[VariantSpec]:
        """List the files whose layers are measured: all but float32, and int8 ones replaced."""
        first = (path.tried[0].spec for path in self.guarded)
        specs = dict.fromkeys((*first, *(spec.source for spec in self.chosen.variants)))
        return [spec for spec in specs if spec.precision != "float32"]

    def held(self) -> dict[VariantSpec, int]:
        """Return the chosen files, each with the number of held-out samples on which it held."""
        held = {path.chosen: path.held_out for path in self.guarded}
        return {spec: held[spec.source] for spec in self.chosen.variants if spec.source in held}

    def left_out(self) -> list[str]:
        """Return a line for each place that no file takes, of an int8 file or of its plan."""
        paths = {path.asked: path for path in self.guarded}
        chosen = {asked: path.chosen for asked, path in paths.items()}
        plans = [
            f"plan {spec.precision}: {_no_plan(paths[spec.source])}"
            for spec in self.asked.variants
            if spec.format == "plan" and guard.in_place(spec, chosen) is None
        ]
        return plans + [
            f"{path.asked.format} int8: no file holds on {path.held_out} held-out calibration "
            f"samples; the last, {path.tried[-1].name}: {path.tried[-1].fault}"
            for path in self.guarded
            if path.chosen is None
        ]

    def check(self, files: Mapping[VariantSpec, Converted], *, strict: bool) -> None:
        """Check the files of the target before any is run.

        Args:
            files: those that could be written.
            strict: a quantized file must take the place of each int8 file.

        Raises:
            EngineTooOld: an engine of the target does not run a file.
            ProofError: `strict`, and only a float file takes the place of an int8 file, or none.
        """
        for spec in self.chosen.variants:
            if spec in files:
                table.check(self.chosen, spec, files[spec].requires)
        for path in self.guarded if strict else ():
            if path.chosen is None or path.chosen.precision not in QUANTIZED:
                raise ProofError(
                    f"{path.asked.format} int8 does not hold, nor any other quantized file: "
                    f"{path.tried[0].fault}",
                    "leave it out (--precision) or allow more (--max-drop, --metric)",
                )


@dataclass(frozen=True)
class Planned:
    """The plans of all targets, and what they share.

    Attributes:
        converted: each file, or why there is none.
        layers: the errors of the layers of each quantized file.
        plans: a plan for each target.
    """

    converted: dict[VariantSpec, Converted | ConversionError]
    layers: dict[VariantSpec, tuple[TensorError, ...]]
    plans: list[Plan]

    def files(self) -> dict[VariantSpec, Converted]:
        """Return the files that could be converted."""
        return {s: file for s, file in self.converted.items() if isinstance(file, Converted)}


def make_plans(
    source: Source,
    targets: Iterable[Target],
    tolerances: Mapping[str, Tolerance],
    converter: Converter,
    progress: Progress,
    metric: Metric | None = None,
) -> Planned:
    """Convert the files of each target, choose those in the places of int8 files, measure layers.

    Args:
        source: the model and its samples.
        targets: the targets.
        tolerances: precision -> its tolerance.
        converter: converts; it is closed at the end.
        progress: called with a line before each step.
        metric: the user's own, which selects; without one, the bounds of each kind do.
    """
    selects = bool(source.selection_keras)
    samples, truth = _judges(source, metric) if selects else (source.calibration, Truth((), (), ()))
    if metric is None:
        tolerances = {name: replace(each, by_metric=False) for name, each in tolerances.items()}
    sizes = guard.Sizes(len(source.calibration[0]), len(source.selection[0]))
    plans = []
    unseen = sizes.held_out if selects else None
    converter.take(source, samples, unseen)
    trials = guard.Trials(converter, truth, tolerances, sizes)
    asked = set()
    for target in targets:
        guarded = []
        for spec in dict.fromkeys(spec.source for spec in target.variants):
            if spec not in asked:
                progress(f"converting to {spec.format} {spec.precision}")
                asked.add(spec)
            if selects and guard.is_guarded(spec):
                guarded.append(guard.find_path(target, spec, trials, progress))
            else:
                _try(trials, spec)
        chosen = guard.with_chosen(target, guarded)
        for spec in (spec for spec in chosen.variants if spec.format == "plan"):
            if spec not in trials.converted:
                progress(f"converting to {spec.format} {spec.precision}")
                _try(trials, spec)
        plans.append(Plan(target, chosen, tuple(guarded)))
    layers = _measure(converter, trials, plans, progress)
    converter.close()
    return Planned(trials.converted, layers, plans)


def _no_plan(path: guard.Path) -> str:
    """Say why there is no plan of the file that a path found."""
    source = f"its source, {path.asked.format} {path.asked.precision},"
    if path.chosen is None:
        return f"{source} is left out, and no file takes its place"
    own = path.chosen.precision
    return f"{source} is replaced by {own}, and there are no {own} plans"


def _try(trials: guard.Trials, spec: VariantSpec) -> None:
    with contextlib.suppress(ConversionError):  # `converted` holds it
        trials.convert(spec)


def _judges(source: Source, metric: Metric | None) -> tuple[tuple[NDArray[Any], ...], Truth]:
    """Return the samples that judge the steps, those held out first, and the reference for them."""
    chosen = np.unique(np.linspace(0, len(source.calibration[0]) - 1, _MOST).round().astype(int))
    samples = _joined(source.selection, source.calibration, chosen)
    keras = _joined(source.selection_keras, source.calibration_keras, chosen)
    labels = tuple(
        None if held is None or known is None else np.concatenate([held, known[chosen]])
        for held, known in zip(source.selection_labels, source.calibration_labels, strict=True)
    )
    return samples, Truth(source.outputs, keras, labels, metric)


def _joined(
    held: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]], chosen: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    return tuple(np.concatenate([a, b[chosen]]) for a, b in zip(held, others, strict=True))


def _measure(
    converter: Converter, trials: guard.Trials, plans: Iterable[Plan], progress: Progress
) -> dict[VariantSpec, tuple[TensorError, ...]]:
    """Measure the layers of each quantized file that could be written."""
    layers = {}
    for spec in dict.fromkeys(spec for plan in plans for spec in plan.measured()):
        if isinstance(trials.converted.get(spec), Converted):
            progress(f"measuring the layers of {spec.format} {spec.precision}")
            try:
                layers[spec] = converter.layer_errors(spec)
            except ConversionError as error:
                progress(f"note: {error}")
    return layers
