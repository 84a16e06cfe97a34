"""The search down the ladder, for the first step whose file holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from strop_export.errors import ConversionError, EngineTooOld
from strop_export.floors import table
from strop_export.formats import Converted, Quantization, VariantSpec
from strop_export.formats.base import Ranked
from strop_export.guard.ladder import Step, spec_of, steps_for
from strop_export.guard.path import Path, Tried
from strop_export.guard.trials import Trials
from strop_export.targets import Target

_LEAST_KEPT = 0.5  # of the operations that the int8 file does in integers
_NAMED = 3  # layers in the name of a step


def find_path(
    target: Target, asked: VariantSpec, trials: Trials, progress: Callable[[str], None]
) -> Path:
    """Try the steps for one int8 file until one holds.

    Args:
        target: every engine of it must run the file.
        asked: the int8 file that the target asks for.
        trials: converts and judges the files.
        progress: called with a line before each step but the first.

    Returns:
        The steps that were tried; only the last one may hold.
    """
    return _Search(target, asked, trials, progress).path()


class _Search:
    """The state of one search: the steps tried so far, and what they showed."""

    def __init__(
        self,
        target: Target,
        asked: VariantSpec,
        trials: Trials,
        progress: Callable[[str], None],
    ) -> None:
        self._target = target
        self._asked = asked
        self._trials = trials
        self._progress = progress
        self._tried: list[Tried] = []
        self._stopped = ""
        self._ranking: tuple[Ranked, ...] = ()
        self._unwritable: set[tuple[str, str]] = set()  # precisions and methods of ranges
        self._equalizes = True

    def path(self) -> Path:
        for step in steps_for(self._asked):
            if self._cannot_be_written(step):
                continue
            if step.quantization.equalized and not self._equalizes:
                continue
            if step.precision == "mixed":
                holds = self._mixed(step)
            else:
                spec = spec_of(step, self._target, self._asked, self._trials.sizes.calibrating)
                holds = all(t.spec != spec for t in self._tried) and self._holds(step.name, spec)
            if holds:
                break
        return Path(
            self._asked,
            tuple(self._tried),
            self._trials.sizes.calibrating,
            self._trials.sizes.held_out,
            self._stopped,
            self._ranking,
        )

    def _cannot_be_written(self, step: Step) -> bool:
        """Tell whether an earlier step failed for a reason that this one shares."""
        methods = {"minmax", step.quantization.ranges}
        return any((step.precision, method) in self._unwritable for method in methods)

    def _holds(self, name: str, spec: VariantSpec) -> bool:
        """Try a file, and note how it did."""
        if self._tried:
            self._progress(f"{spec.format} {self._tried[-1].name} misses: trying {name}")
        try:
            spec = self._taken(spec)
            file = self._trials.convert(spec)
        except ConversionError as error:
            self._tried.append(Tried(name, spec, fault=str(error)))
            if spec.quantization.equalized:
                self._equalizes = False
            else:
                self._unwritable.add((spec.precision, spec.quantization.ranges))
            return False
        self._tried.append(self._judged(name, spec, file))
        return not self._tried[-1].fault

    def _taken(self, spec: VariantSpec) -> VariantSpec:
        """Return a dynamic file with one scale for each tensor if an engine takes no other."""
        if spec.precision == "dynamic" and spec.per_channel:
            try:
                table.check(self._target, spec, self._trials.convert(spec).requires)
            except EngineTooOld:
                return replace(spec, per_channel=False)
        return spec

    def _judged(self, name: str, spec: VariantSpec, file: Converted) -> Tried:
        size, share = len(file.data), file.integer_share
        try:
            table.check(self._target, spec, file.requires)
            verdict = self._trials.judge(spec)
        except (EngineTooOld, ConversionError) as error:
            return Tried(name, spec, (), 0, size, share, str(error))
        faults = [fault for each in verdict.faults for fault in each]
        fault = "; ".join([*faults, verdict.below] if verdict.below else faults)
        at_fault = next((i for i, faults in enumerate(verdict.faults) if faults), 0)
        return Tried(
            name,
            spec,
            verdict.outputs,
            verdict.samples,
            size,
            share,
            fault,
            at_fault,
            verdict.measured,
        )

    def _mixed(self, step: Step) -> bool:
        """Put layers into float, the worst first, until the file holds."""
        base = self._best()
        if base is None:
            return False
        whole = self._trials.convert(base)
        self._progress(f"{base.format} {self._tried[-1].name} misses: ranking the layers")
        try:
            self._ranking = self._trials.ranking(base)
        except ConversionError as error:
            self._stopped = f"the layers cannot be ranked: {error}"
            return False
        for count in range(1, len(self._ranking) + 1):
            names = tuple(ranked.layer for ranked in self._ranking[:count])
            spec = self._with_float(base.quantization, names)
            if self._stopped_at(spec, whole):
                return False
            if self._holds(_named(step.name, names), spec):
                self._fewer(step.name, base.quantization, names)
                return True
        return False

    def _best(self) -> VariantSpec | None:
        """Return the int8 file with the least error; None if no int8 file could be run."""
        ran = [t for t in self._tried if t.outputs and t.spec.precision == "int8"]
        return min(
            (t.spec for t in ran), key=lambda spec: self._trials.judge(spec).error, default=None
        )

    def _with_float(self, base: Quantization, names: Sequence[str]) -> VariantSpec:
        own = replace(base, float_layers=tuple(names))
        return VariantSpec(self._asked.format, "mixed", self._asked.per_channel, own)

    def _stopped_at(self, spec: VariantSpec, whole: Converted) -> bool:
        """Tell whether a mixed file costs more than it gains, and note why.

        Args:
            spec: the mixed file.
            whole: the int8 file.
        """
        try:
            file = self._trials.convert(spec)
        except ConversionError:
            return False  # `_holds` notes it
        half = self._half_size()
        large = half is not None and len(file.data) >= half
        share, most = file.integer_share, whole.integer_share
        few = share is not None and most is not None and share < _LEAST_KEPT * most
        if not few and not (large and not share):
            return False
        names = spec.quantization.float_layers
        left = "an unknown share" if share is None else f"{share:.0%}"
        said = f"{len(names)} layer{'s' if len(names) > 1 else ''}"
        self._stopped = (
            f"{said} in float ({_list(names)}) would leave {left} of the "
            f"operations in integers{', and float16 is as small' if large else ''}"
        )
        return True

    def _half_size(self) -> int | None:
        """Return the bytes of the float16 file; None if there is none."""
        (step,) = (step for step in steps_for(self._asked) if step.precision == "float16")
        try:
            spec = spec_of(step, self._target, self._asked, self._trials.sizes.calibrating)
            return len(self._trials.convert(spec).data)
        except ConversionError:
            return None

    def _fewer(self, name: str, base: Quantization, names: tuple[str, ...]) -> None:
        """Put each layer back into integers, and leave it there if the file still holds."""
        for layer in reversed(names[:-1]):  # without the last one it did not hold
            fewer = tuple(each for each in names if each != layer)
            spec = self._with_float(base, fewer)
            try:
                tried = self._judged(_named(name, fewer), spec, self._trials.convert(spec))
            except ConversionError as error:
                tried = Tried(_named(name, fewer), spec, fault=str(error))
            if tried.fault:
                self._tried.insert(-1, tried)
            else:
                self._tried[-1], names = tried, fewer


def _named(step: str, layers: Sequence[str]) -> str:
    return f"{step}, {_list(layers)} in float"


def _list(layers: Sequence[str]) -> str:
    if len(layers) > _NAMED:
        return f"{', '.join(layers[:_NAMED])} and {len(layers) - _NAMED} more"
    return " and ".join([", ".join(layers[:-1])] * (len(layers) > 1) + [layers[-1]])
