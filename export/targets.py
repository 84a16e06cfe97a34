"""What a device wants: `targets/*.toml` and `tolerances.toml`, read into frozen dataclasses."""

from __future__ import annotations

import math
import tomllib
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from export.errors import ExportError, TargetError
from export.formats import VariantSpec
from strop import engines
from strop.manifest import PRECISIONS

HERE = Path(__file__).parent
TARGETS = HERE / "targets"
TOLERANCES = HERE / "tolerances.toml"

# What opens what. The runtime knows too, but only once an engine is installed.
ENGINE_FORMATS = {
    "litert": "tflite",
    "tflite": "tflite",
    "onnx": "onnx",
    "reference": "weights",
}


@dataclass(frozen=True)
class Target:
    """One kind of device. Engines and variants stand in order of preference."""

    name: str
    description: str
    platforms: tuple[str, ...]  # where its engines have wheels: system-machine, as Python says
    requirements: str  # the lock file under requirements/ that a device installs
    engines: tuple[str, ...]
    variants: tuple[VariantSpec, ...]

    def engines_of(self, spec: VariantSpec) -> tuple[str, ...]:
        """The target's engines that open a variant."""
        return tuple(name for name in self.engines if ENGINE_FORMATS[name] == spec.format)


@dataclass(frozen=True)
class Tolerance:
    """What a variant of one precision may lose; shares are 0..1. See tolerances.toml."""

    disagreements: float
    max_abs_error: float
    accuracy_loss: float
    engine_changes: float
    golden: float


def names() -> tuple[str, ...]:
    """The targets there are."""
    return tuple(sorted(path.stem for path in TARGETS.glob("*.toml")))


def load(name: str) -> Target:
    """Read a target.

    Raises:
        TargetError: there is none of that name, or its file has a field missing, unknown or of
            another type, an unknown engine, or a variant that none of its engines opens.
    """
    if name not in names():
        raise TargetError(f"there is no target {name!r}; there are {', '.join(names())} and all")
    path = TARGETS / f"{name}.toml"
    content = _table(path)
    known = {f.name for f in fields(Target)} - {"name"}
    if content.keys() != known:
        wrong = ", ".join(sorted(content.keys() ^ known))
        raise TargetError(f"{path.name}: missing or unknown field: {wrong}")
    for engine in content["engines"]:
        if engine not in ENGINE_FORMATS:
            raise TargetError(f"{path.name}: no engine {engine!r}; {', '.join(engines.NAMES)}")
    try:
        specs = tuple(VariantSpec(**variant) for variant in content["variants"])
    except (TypeError, ExportError) as error:
        raise TargetError(f"{path.name}: {error}") from None
    target = Target(
        name=name,
        description=str(content["description"]),
        platforms=tuple(content["platforms"]),
        requirements=str(content["requirements"]),
        engines=tuple(content["engines"]),
        variants=specs,
    )
    for spec in specs:
        if not target.engines_of(spec):
            raise TargetError(f"{path.name}: no engine there opens {spec.format}")
    if len({(spec.format, spec.precision) for spec in specs}) != len(specs):
        raise TargetError(f"{path.name}: a format and precision stand twice")
    return target


def tolerances(model: str, path: Path = TOLERANCES) -> dict[str, Tolerance]:
    """The tolerance of each precision for a model: its own section over the default one.

    Raises:
        TargetError: the file cannot be read, or a section has an unknown or missing value.
    """
    content = _table(path)
    default, own = content.get("default", {}), content.get(model, {})
    bounds = {}
    for precision in PRECISIONS:
        try:
            values = {**default[precision], **own.get(precision, {})}
            bounds[precision] = Tolerance(**{key: float(value) for key, value in values.items()})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TargetError(f"{path.name}: bad section for {precision}: {error}") from None
        if not all(0 <= value < math.inf for value in astuple(bounds[precision])):
            raise TargetError(f"{path.name}: {precision}: a bound is a number from 0 up")
    return bounds


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"{path}: not TOML: {error}") from None
