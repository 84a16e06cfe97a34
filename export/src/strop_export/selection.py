"""The targets of an export, as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strop.bundle.manifest import PRECISIONS
from strop_export.errors import TargetError
from strop_export.firmware.options import Options
from strop_export.targets import ALL, Target, load, names


def load_all(wanted: Sequence[str]) -> list[Target]:
    """Read targets, each once, in the order of `wanted`.

    Args:
        wanted: names of targets, paths of .toml files, and `ALL`, which leaves out web and mcu.

    Raises:
        TargetError: there are none, one of them cannot be read, or two of them share a name.
    """
    if not wanted:
        raise TargetError("no target was asked for", f"there are {', '.join(names())} and {ALL}")
    asked = dict.fromkeys(name for each in wanted for name in (_all() if each == ALL else [each]))
    found: dict[str, Target] = {}
    for name in asked:
        target = load(name)
        if target.name in found:
            raise TargetError(f"two targets are called {target.name}", f"rename the file {name}")
        found[target.name] = target
    return list(found.values())


def of_precisions(chosen: Sequence[Target], precisions: Sequence[str] | None) -> list[Target]:
    """Keep the variants of some precisions, and the targets that have any.

    Args:
        chosen: the targets.
        precisions: names from `strop.bundle.manifest.PRECISIONS`; None: all.

    Raises:
        TargetError: there is no such precision, or none of the targets has a variant of it.
    """
    if precisions is None:
        return list(chosen)
    for precision in precisions:
        if precision not in PRECISIONS:
            raise TargetError(f"no precision {precision!r}", f"ask for {', '.join(PRECISIONS)}")
    kept = [
        replace(target, variants=tuple(v for v in target.variants if v.precision in precisions))
        for target in chosen
    ]
    kept = [target for target in kept if target.variants]
    if not kept:
        asked = ", ".join(target.name for target in chosen)
        raise TargetError(
            f"no variant of {asked} is {' or '.join(precisions)}", "ask for another precision"
        )
    return kept


def with_firmware(chosen: Sequence[Target], options: Options) -> list[Target]:
    """Set options of the targets that have firmware.

    Args:
        chosen: the targets.
        options: those that are given replace a target's own.

    Raises:
        TargetError: an option is given, and none of the targets has firmware.
    """
    if options.given() and not any(target.firmware for target in chosen):
        raise TargetError(
            f"{', '.join(options.given())}: no target that was asked for has firmware",
            "ask for the target mcu",
        )
    return [
        replace(target, firmware=options.over(target.firmware)) if target.firmware else target
        for target in chosen
    ]


def without(target: Target, engine: str) -> Target:
    """Return a target without an engine and the variants that only it opens.

    A target that would have no variants is returned as it is, and so is one with firmware, which is
    made of plans.
    """
    if target.firmware:
        return target

    def others(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name != engine)

    fewer = replace(
        target,
        engines=others(target.engines),
        convolutional_engines=others(target.convolutional_engines),
    )
    fewer = replace(fewer, variants=tuple(v for v in fewer.variants if fewer.engines_of(v)))
    return fewer if fewer.variants else target


def _all() -> list[str]:
    """List the targets that `ALL` means: those that ship, without those that have a companion."""
    return [name for name in names() if not load(name).companion]
