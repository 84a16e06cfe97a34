"""The place of an int8 file among a target's variants, and the file that takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from strop_export.formats import VariantSpec
from strop_export.guard.path import Path
from strop_export.targets import Target


def is_guarded(spec: VariantSpec) -> bool:
    """Tell whether another file may take a variant's place.

    A plan is made from the .tflite file that is chosen, so it has no choice of its own.
    """
    return spec.precision == "int8" and spec.format != "plan"


def with_chosen(target: Target, paths: Iterable[Path]) -> Target:
    """Return a target with the chosen files in the places of its int8 files.

    A file that the target lists itself moves up to that place. A place whose path found no file is
    left out, and so is a plan if no plan has the chosen file's precision.

    Args:
        target: the target, as asked for.
        paths: the path of each of its int8 files.
    """
    chosen = {path.asked: path.chosen for path in paths}
    variants = (in_place(spec, chosen) for spec in target.variants)
    return replace(target, variants=tuple(dict.fromkeys(v for v in variants if v is not None)))


def in_place(
    spec: VariantSpec, chosen: Mapping[VariantSpec, VariantSpec | None]
) -> VariantSpec | None:
    """Return the file in the place of a variant; None if there is none.

    Args:
        spec: the variant.
        chosen: for each int8 file that has a path, the file that holds, or None.
    """
    source = chosen.get(spec.source, spec.source)
    if source is None or source == spec.source:
        return source and spec
    return spec.plan_of(source) if spec.format == "plan" else source
