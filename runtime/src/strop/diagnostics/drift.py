"""Drift: whether what a model is given, and answers, is still like the samples it was proven on.

A bundle's profile has the distribution of each figure over the calibration samples; the counts of
a model that runs have it over the samples that were counted. docs/decisions/0058-drift.md says why
it is judged as here, and how often it is wrong.
"""

from __future__ import annotations

from typing import NamedTuple

from strop.bundle.counts import Counts
from strop.bundle.manifest import Histogram, InputSpec, Manifest, OutputSpec
from strop.bundle.schema import CLASS
from strop.diagnostics.drift_statistics import (
    adjusted,
    index_by_chance,
    joined,
    ordered,
    stability_index,
    unordered,
)
from strop.errors import BundleError, InputError

ALIKE, WATCH, DRIFTED = "alike", "watch", "drifted"  # in the order of their weight
LEVELS = (ALIKE, WATCH, DRIFTED)

LEAST = 50  # samples, of both: of fewer, no judgement could be trusted
SURE = 0.01  # the chance that any of the figures of alike samples is found to differ
WATCH_INDEX, DRIFTED_INDEX = 0.1, 0.25  # what the index must exceed, beyond what chance explains


class Finding(NamedTuple):
    """One figure, and how it differs.

    Attributes:
        spec: the input or output that it is a figure of.
        figure: its name, as in the profile.
        level: "alike", "watch" or "drifted".
        psi: the Population Stability Index.
        by_chance: the index that samples of these sizes have on average if nothing has changed.
        distance: for "class", half the sum of the differences between the shares; else the
            distance of Kolmogorov and Smirnov. From 0 to 1.
        p_value: the chance of such a distance if nothing has changed, adjusted for all figures.
        edges: of the bins; () of "class".
        expected: calibration samples in each bin.
        seen: counted samples in each bin.
    """

    spec: InputSpec | OutputSpec
    figure: str
    level: str
    psi: float
    by_chance: float
    distance: float
    p_value: float
    edges: tuple[float, ...]
    expected: tuple[int, ...]
    seen: tuple[int, ...]

    @property
    def excess(self) -> float:
        """The index beyond what chance explains."""
        return self.psi - self.by_chance


class Judgement(NamedTuple):
    """All figures of a bundle and of the counts of its model.

    Attributes:
        level: that of the strongest finding.
        findings: of each figure, the strongest first.
        unjudged: what could not be judged, and why; one line each.
    """

    level: str
    findings: tuple[Finding, ...]
    unjudged: tuple[str, ...]


class _Measured(NamedTuple):
    spec: InputSpec | OutputSpec
    histogram: Histogram
    seen: tuple[int, ...]
    psi: float
    by_chance: float
    distance: float
    p_value: float  # of this figure alone


def judge(manifest: Manifest, counts: Counts) -> Judgement:
    """Judge what was counted by a bundle's profile.

    A figure has drifted if chance does not explain its difference, and the difference is large:
    among many samples even one that does not matter is sure, and among few even a large one is
    chance. "watch" is a sure difference that is not large.

    Args:
        manifest: of the bundle.
        counts: of its model; they match the manifest.

    Raises:
        BundleError: the bundle has no profile.
        InputError: too few samples were counted, or no figure can be judged.
        StropError: scipy is not installed.
    """
    sides: list[tuple[InputSpec | OutputSpec, tuple[tuple[int, ...], ...]]] = [
        *zip(manifest.inputs, counts.inputs, strict=True),
        *zip(manifest.outputs, counts.outputs, strict=True),
    ]
    if not any(spec.profile for spec, _ in sides):
        raise BundleError(
            f"bundle {manifest.name} v{manifest.model_version} has no profile to judge by",
            "export it again",
        )
    if counts.samples < LEAST:
        raise InputError(
            f"cannot tell: {counts.samples} samples were counted, and fewer than {LEAST} say "
            "nothing",
            "let the model count more: a longer time, or a smaller count_every",
        )
    measured: list[_Measured] = []
    unjudged: list[str] = []
    for spec, seen in sides:
        what = "input" if isinstance(spec, InputSpec) else "output"
        for histogram, bins in zip(spec.profile, seen, strict=True):
            samples = sum(histogram.counts)
            if samples < LEAST:
                unjudged.append(
                    f"{what} {spec.name!r}, {histogram.figure}: {samples} calibration samples, and "
                    f"fewer than {LEAST} say nothing"
                )
            else:
                measured.append(_measure(spec, histogram, bins))
        unjudged += _left_out(spec, what)
    if not measured:
        raise InputError(f"cannot tell: {'; '.join(unjudged)}", "count more, or export again")
    p_values = adjusted([one.p_value for one in measured])
    findings = [_finding(one, p) for one, p in zip(measured, p_values, strict=True)]
    findings.sort(key=lambda one: (-LEVELS.index(one.level), -one.excess, one.p_value))
    return Judgement(findings[0].level, tuple(findings), tuple(unjudged))


def _left_out(spec: InputSpec | OutputSpec, what: str) -> list[str]:
    """Say what of an input or output is not counted at all."""
    figures = {histogram.figure for histogram in spec.profile}
    if not figures:
        return [f"{what} {spec.name!r}: it has no figures in the profile"]
    if isinstance(spec, OutputSpec) and spec.kind in (CLASS, "binary") and CLASS not in figures:
        return [f"output {spec.name!r}: how often each class is decided is not in the profile"]
    return []


def _measure(
    spec: InputSpec | OutputSpec, histogram: Histogram, seen: tuple[int, ...]
) -> _Measured:
    expected: tuple[int, ...] | list[int] = histogram.counts
    compared: tuple[int, ...] | list[int] = seen
    if histogram.figure == CLASS:
        expected, compared = joined(histogram.counts, seen)
        distance, p_value = unordered(expected, compared)
    else:
        distance, p_value = ordered(expected, compared)
    psi = stability_index(expected, compared)
    by_chance = index_by_chance(expected, compared)
    return _Measured(spec, histogram, seen, psi, by_chance, distance, p_value)


def _finding(one: _Measured, p_value: float) -> Finding:
    excess = one.psi - one.by_chance
    level = ALIKE
    if p_value < SURE and excess > WATCH_INDEX:
        level = DRIFTED if excess > DRIFTED_INDEX else WATCH
    return Finding(
        one.spec,
        one.histogram.figure,
        level,
        one.psi,
        one.by_chance,
        one.distance,
        p_value,
        one.histogram.edges,
        one.histogram.counts,
        one.seen,
    )
