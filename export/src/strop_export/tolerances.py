"""The tolerances of the proof, read from `tolerances.toml`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from strop.bundle.manifest import OutputSpec
from strop_export.errors import SourceError, TargetError
from strop_export.formats import PRECISIONS, VariantSpec
from strop_export.formats.base import CALIBRATED
from strop_export.paths import TOLERANCES
from strop_export.rules import rounding_factor
from strop_export.targets import read_toml

QUANTIZED = (*CALIBRATED, "dynamic")  # precisions with integer weights
_WRITTEN = tuple(dict.fromkeys(name for names in PRECISIONS.values() for name in names))
_OF_KIND = {
    "class": ("disagreements", "accuracy_loss", "max_abs_error"),
    "binary": ("disagreements", "accuracy_loss", "max_abs_error"),
    "multilabel": ("disagreements", "accuracy_loss", "max_abs_error"),
    "segmentation": ("pixels", "accuracy_loss", "max_abs_error"),
    "regression": ("rmse_share",),
    "raw": ("sqnr_db",),
}


@dataclass(frozen=True)
class Tolerance:
    """The most that a variant of one precision may lose; shares are 0..1. See tolerances.toml."""

    disagreements: float
    pixels: float
    accuracy_loss: float
    max_abs_error: float
    rmse_share: float
    sqnr_db: float
    engine_changes: float
    golden: float
    gpu: float
    plain: bool
    max_drop: float | None = None  # share that quantized files may lose, instead of the bounds
    by_metric: bool = False  # a metric of the user's own replaces the bounds of quality

    def of(self, spec: VariantSpec) -> Tolerance:
        """Return the tolerance of one file on the golden samples.

        A file for GPUs is replayed on them too. A plan gives the same bits on every device.
        """
        if spec.format == "plan":
            return replace(self, golden=0.0)
        return replace(self, golden=max(self.golden, self.gpu)) if spec.gpu else self

    def on(self, device: str) -> Tolerance:
        """Return the tolerance of a run on a device: GPUs sum in another order.

        Args:
            device: "cpu" or "gpu".
        """
        if device != "gpu" or not self.gpu:
            return self
        return replace(
            self,
            max_abs_error=max(self.max_abs_error, self.gpu),
            rmse_share=max(self.rmse_share, self.gpu),
            sqnr_db=min(self.sqnr_db, -20 * math.log10(self.gpu)),
        )

    def of_output(self, output: OutputSpec, *, labelled: bool) -> Tolerance:
        """Return the tolerance of an output: `max_drop` or a metric replaces its main bound.

        Args:
            output: the output.
            labelled: the truth is known: accuracy may fall by `max_drop`. If it is not, as large a
                share of the decisions may differ from Keras's.
        """
        if self.by_metric:
            return replace(
                self,
                disagreements=1.0,
                pixels=1.0,
                accuracy_loss=1.0,
                rmse_share=math.inf,
                sqnr_db=-math.inf,
            )
        if self.max_drop is None:
            return self
        share = self.max_drop
        return replace(
            self,
            max_drop=None,
            disagreements=max(self.disagreements, share) if labelled else share,
            pixels=max(self.pixels, share) if labelled else share,
            accuracy_loss=share,
            rmse_share=share,
            sqnr_db=max(0.0, -20 * math.log10(share)) if output.kind == "raw" else self.sqnr_db,
        )

    def bounds(self, output: OutputSpec) -> dict[str, float]:
        """Return the bounds of one output, by name: those of its kind, and those of every kind."""
        return self.named(*_OF_KIND[output.kind], "engine_changes", "golden")

    def named(self, *names: str) -> dict[str, float]:
        """Return some bounds by name, without those that allow anything."""
        values = {name: float(getattr(self, name)) for name in names}
        return {name: value for name, value in values.items() if math.isfinite(value)}


def tolerances(
    model: str,
    path: Path = TOLERANCES,
    max_drop: float | None = None,
    *,
    by_metric: bool = False,
) -> dict[str, Tolerance]:
    """Return the tolerance of each precision; a model's own section overrides the default one.

    Args:
        model: the model's name, which is also its section's name.
        path: the TOML file.
        max_drop: the share, 0..1, that quantized files may lose, instead of the bounds.
        by_metric: a metric of the user's own decides what quantized files may lose.

    Raises:
        SourceError: both `max_drop` and `by_metric` are given.
        TargetError: the file cannot be read, or a section has an unknown or missing value.
    """
    if by_metric and max_drop is not None:
        raise SourceError(
            "--max-drop and --metric both say what a quantized file may lose, in different units",
            "give one of them",
        )
    content = read_toml(path)
    default, own = content.get("default", {}), content.get(model, {})
    bounds = {}
    for precision in _WRITTEN:
        try:
            values = _values(default, own, precision)
            bounds[precision] = _tolerance(values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TargetError(f"{path.name}: bad section for {precision}: {error}") from None
        numbers = [value for value in values.values() if value is not True]
        if not all(0 <= value < math.inf for value in numbers):
            raise TargetError(f"{path.name}: {precision}: a bound must be a number of 0 or more")
        if precision in QUANTIZED:
            bounds[precision] = replace(bounds[precision], max_drop=max_drop, by_metric=by_metric)
    return bounds


def for_depth(bounds: Mapping[str, Tolerance], kernels: int) -> dict[str, Tolerance]:
    """Widen what float32 may be off by rounding, for a deep model.

    The other precisions' bounds are larger by far than any rounding.

    Args:
        bounds: precision -> its tolerance.
        kernels: as in `rules.rounding_factor`.

    Returns:
        The same, with wider `max_abs_error` and `golden` for float32.
    """
    factor, own = rounding_factor(kernels), bounds["float32"]
    wider = replace(own, max_abs_error=own.max_abs_error * factor, golden=own.golden * factor)
    return {**bounds, "float32": wider}


def _values(default: Any, own: Any, precision: str) -> dict[str, Any]:
    """Return the values of a precision; those of int8 stand in for calibrated files.

    Args:
        default: the table of default sections.
        own: the model's own.
        precision: one of the formats' precisions.
    """
    if precision == "int8" or precision not in CALIBRATED:
        return {**default[precision], **own.get(precision, {})}
    return {
        **default["int8"],
        **default.get(precision, {}),
        **own.get("int8", {}),
        **own.get(precision, {}),
    }


def _tolerance(values: dict[str, object]) -> Tolerance:
    """Make a tolerance from a section's values.

    Raises:
        ValueError: a value is missing, unknown, or of another type.
    """
    known = {field.name for field in fields(Tolerance)} - {"max_drop", "by_metric"}
    if values.keys() != known:
        wrong = ", ".join(sorted(values.keys() ^ known))
        raise ValueError(f"missing or unknown: {wrong}")
    for name, value in values.items():
        wanted = (bool,) if name == "plain" else (int, float)
        if type(value) not in wanted:
            raise ValueError(f"{name} is {value!r}")
    return Tolerance(**values)  # type: ignore[arg-type]  # checked above
