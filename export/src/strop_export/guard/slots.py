"""The place of an int8 file among a target's variants, and the file that takes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from strop_export.formats import VariantSpec
from strop_export.guard.path import Path
from strop_export.targets import Target


def is_guarded(spec: VariantSpec) -> bool:
    """Tell whether another file may take a variant's place."""
    return spec.precision == "int8"


def with_chosen(target: Target, paths: Iterable[Path]) -> Target:
    """Return a target with the chosen files in the places of its int8 files.

    A file that the target lists itself moves up to that place. A place whose path found no file is
    left out.

    Args:
        target: the target, as asked for.
        paths: the path of each of its int8 files.
    """
    chosen = {path.asked: path.chosen for path in paths}
    variants = (chosen.get(spec, spec) for spec in target.variants)
    return replace(target, variants=tuple(dict.fromkeys(v for v in variants if v is not None)))
