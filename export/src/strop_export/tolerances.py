"""The tolerances of the proof, read from `tolerances.toml`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from strop.bundle.manifest import OutputSpec
from strop_export.errors import TargetError
from strop_export.formats import PRECISIONS, VariantSpec
from strop_export.paths import TOLERANCES
from strop_export.targets import read_toml

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

    def of(self, spec: VariantSpec) -> Tolerance:
        """Return the tolerance of one file: a file for GPUs is replayed on them too."""
        return replace(self, golden=self.gpu) if spec.gpu else self

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

    def bounds(self, output: OutputSpec) -> dict[str, float]:
        """Return the bounds of one output, by name: those of its kind, and those of every kind."""
        names = (*_OF_KIND[output.kind], "engine_changes", "golden")
        return {name: getattr(self, name) for name in names}


def tolerances(model: str, path: Path = TOLERANCES) -> dict[str, Tolerance]:
    """Return the tolerance of each precision; a model's own section overrides the default one.

    Args:
        model: the model's name, which is also its section's name.
        path: the TOML file.

    Raises:
        TargetError: the file cannot be read, or a section has an unknown or missing value.
    """
    content = read_toml(path)
    default, own = content.get("default", {}), content.get(model, {})
    bounds = {}
    for precision in _WRITTEN:
        try:
            values = {**default[precision], **own.get(precision, {})}
            bounds[precision] = _tolerance(values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TargetError(f"{path.name}: bad section for {precision}: {error}") from None
        numbers = [value for value in asdict(bounds[precision]).values() if value is not True]
        if not all(0 <= value < math.inf for value in numbers):
            raise TargetError(f"{path.name}: {precision}: a bound must be a number of 0 or more")
    return bounds


def _tolerance(values: dict[str, object]) -> Tolerance:
    """Make a tolerance from a section's values.

    Raises:
        ValueError: a value is missing, unknown, or of another type.
    """
    known = {field.name for field in fields(Tolerance)}
    if values.keys() != known:
        wrong = ", ".join(sorted(values.keys() ^ known))
        raise ValueError(f"missing or unknown: {wrong}")
    for name, value in values.items():
        wanted = (bool,) if name == "plain" else (int, float)
        if type(value) not in wanted:
            raise ValueError(f"{name} is {value!r}")
    return Tolerance(**values)  # type: ignore[arg-type]  # checked above
