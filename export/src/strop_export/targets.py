"""The targets: the needs of each kind of device, read from `targets/*.toml`."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from dataclasses import dataclass, fields
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from strop import engines
from strop.bundle.manifest import is_name
from strop_export.errors import ConversionError, TargetError
from strop_export.firmware.options import Options
from strop_export.formats import VariantSpec
from strop_export.paths import REQUIREMENTS, TARGETS

ALL = "all"

_REAL = tuple(name for name in engines.NAMES if name != engines.FAKE)

# Field -> type of its items; other fields are text.
_LISTS = {"platforms": str, "engines": str, "variants": dict}
_OPTIONAL = {"page", "firmware", "convolutional_engines"}

# Kinds of companions: what runs a target's plans too, and is in a folder beside its bundle.
PAGE, FIRMWARE = "page", "firmware"


@dataclass(frozen=True)
class Target:
    """One kind of device. Engines and variants are in order of preference."""

    name: str
    description: str
    platforms: tuple[str, ...]  # where its engines have wheels: system-machine, in Python's names
    requirements: str  # the lock file under requirements/ that a device installs
    extra: str  # the runtime's extra that asks for the packages of that lock
    engines: tuple[str, ...]
    variants: tuple[VariantSpec, ...]
    page: bool = False  # plans run in web pages, whose module is written beside the bundle
    firmware: Options | None = None  # of C that is made of a plan beside the bundle; None: none is
    convolutional_engines: tuple[str, ...] = ()  # their order for plans with convolutions

    @property
    def companion(self) -> str:
        """The other program that runs the plans, `PAGE` or `FIRMWARE`; "" if there is none."""
        return FIRMWARE if self.firmware else PAGE if self.page else ""

    def preferred(self, *, convolutional: bool) -> tuple[str, ...]:
        """Return the engines in order of preference, for a plan with or without convolutions."""
        return (self.convolutional_engines if convolutional else ()) or self.engines

    def engines_of(self, spec: VariantSpec) -> tuple[str, ...]:
        """Return the target's engines that open a variant."""
        return tuple(name for name in self.engines if engines.entry(name).format == spec.format)

    def gpu_engines_of(self, spec: VariantSpec) -> tuple[str, ...]:
        """Return the target's engines that run a variant on a GPU; none if it is not for GPUs."""
        return tuple(n for n in self.engines_of(spec) if spec.gpu and _runs_on_gpu(n))

    @property
    def gpu_engines(self) -> tuple[str, ...]:
        """The target's engines that run any of its files on a GPU."""
        used = {name for spec in self.variants for name in self.gpu_engines_of(spec)}
        return tuple(name for name in self.engines if name in used)

    def digest(self) -> str:
        """Return a SHA-256 of all fields: another file of the same name may be another target."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def names() -> tuple[str, ...]:
    """Return the names of the targets that ship."""
    return tuple(sorted(path.stem for path in TARGETS.glob("*.toml")))


def load(name: str) -> Target:
    """Read a target.

    Args:
        name: the name of one that ships, or the path of another `.toml` file.

    Raises:
        TargetError: no target has that name, or its file is not valid: a field is missing, unknown
            or of another type; an engine or extra is unknown; none of its engines opens a variant;
            or a variant is for GPUs and none of its engines runs on one.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not is_name(path.stem):
            raise TargetError(
                f"{path}: {path.stem!r} is not a valid target name",
                "use at most 100 letters, digits, '.', '_' and '-'",
            )
    elif name in names():
        path = TARGETS / f"{name}.toml"
    else:
        raise TargetError(
            f"there is no target {name!r}",
            f"there are {', '.join(names())} and {ALL}, or name a .toml file of your own",
        )
    content = read_toml(path)
    _check_fields(path, content)
    for engine in content["engines"]:
        if engine not in _REAL:
            raise TargetError(f"{path.name}: no engine {engine!r}", f"there are {', '.join(_REAL)}")
    for variant in content["variants"]:
        for field in ("per_channel", "gpu"):
            if type(variant.get(field, True)) is not bool:
                raise TargetError(f"{path.name}: {field} must be true or false")
        if "quantization" in variant:
            raise TargetError(f"{path.name}: export chooses the quantization", "remove that table")
    try:
        specs = tuple(VariantSpec(**variant) for variant in content["variants"])
    except ConversionError as error:
        raise TargetError(f"{path.name}: {error.problem}", error.mend) from None
    except TypeError as error:
        raise TargetError(f"{path.name}: {error}") from None
    order = content.get("convolutional_engines", content["engines"])
    if not isinstance(order, list) or Counter(map(str, order)) != Counter(content["engines"]):
        raise TargetError(
            f"{path.name}: convolutional_engines must be another order of engines",
            f"list each of {', '.join(content['engines'])} once",
        )
    target = Target(
        name=path.stem,
        description=content["description"],
        platforms=tuple(content["platforms"]),
        requirements=content["requirements"],
        extra=content["extra"],
        engines=tuple(content["engines"]),
        variants=specs,
        page=content.get("page", False),
        firmware=_firmware(path, content),
        convolutional_engines=tuple(content.get("convolutional_engines", ())),
    )
    if not specs:
        raise TargetError(f"{path.name}: there are no variants", "add a [[variants]] table")
    for spec in specs:
        opening = [name for name in _REAL if engines.entry(name).format == spec.format]
        if not target.engines_of(spec):
            raise TargetError(
                f"{path.name}: none of its engines opens {spec.format}",
                f"add {', '.join(opening)} to its engines, or remove the variant",
            )
        if spec.gpu and not target.gpu_engines_of(spec):
            able = ", ".join(filter(_runs_on_gpu, opening))
            raise TargetError(
                f"{path.name}: none of its engines runs {spec.format} on a GPU",
                f"add {able} to its engines, or remove gpu = true",
            )
    if target.firmware and not any(spec.format == "plan" for spec in specs):
        raise TargetError(
            f"{path.name}: none of its files is a plan, which firmware is made of",
            'add a variant of format = "plan"',
        )
    if len({(spec.format, spec.precision) for spec in specs}) != len(specs):
        raise TargetError(
            f"{path.name}: two variants have the same format and precision", "remove one of them"
        )
    return target


def _firmware(path: Path, content: dict[str, Any]) -> Options | None:
    if "firmware" not in content:
        return None
    if content.get("page"):
        raise TargetError(f"{path.name}: it is for pages and has firmware", "write two targets")
    try:
        return Options.read(content["firmware"])
    except TargetError as error:
        raise TargetError(f"{path.name}: {error.problem}", error.mend) from None


def _check_fields(path: Path, content: dict[str, Any]) -> None:
    known = {f.name for f in fields(Target)} - {"name"} - _OPTIONAL
    if content.keys() - _OPTIONAL != known:
        lacks, more = sorted(known - content.keys()), sorted(content.keys() - known - _OPTIONAL)
        wrong = [f"missing field: {', '.join(lacks)}"] if lacks else []
        wrong += [f"unknown field: {', '.join(more)}"] if more else []
        raise TargetError(f"{path.name}: {'; '.join(wrong)}")
    if type(content.get("page", False)) is not bool:
        raise TargetError(f"{path.name}: page must be true or false")
    for field in sorted(known - _LISTS.keys()):
        if not isinstance(content[field], str):
            raise TargetError(f"{path.name}: {field} must be text")
    for field, kind in _LISTS.items():
        values = content[field]
        if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
            what = "texts" if kind is str else "tables"
            raise TargetError(f"{path.name}: {field} must be a list of {what}")
    if not (REQUIREMENTS / content["requirements"]).is_file():
        there = ", ".join(sorted(lock.name for lock in REQUIREMENTS.glob("*.txt")))
        raise TargetError(f"{path.name}: no lock {content['requirements']!r}", f"there are {there}")
    extras = metadata("strop").get_all("Provides-Extra", [])
    if content["extra"] not in extras:
        raise TargetError(
            f"{path.name}: strop has no extra {content['extra']!r}",
            f"there are {', '.join(extras)}",
        )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        TargetError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TargetError(f"{path}: not TOML: {error}") from None


def _runs_on_gpu(engine: str) -> bool:
    return engines.GPU in engines.entry(engine).devices
