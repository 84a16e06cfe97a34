"""The part of report.json about layers: an entry for each bundle and file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from strop.bundle.manifest import plain
from strop_export.formats.base import VariantSpec
from strop_export.layer_errors.culprit import culprit
from strop_export.layer_errors.measure import TensorError


class FileErrors(NamedTuple):
    """The errors of one file of a target.

    Attributes:
        spec: the file's format and precision.
        tensors: from `measure`.
        ships: the file is in the bundle.
    """

    spec: VariantSpec
    tensors: Sequence[TensorError]
    ships: bool


def entry(bundle: str, target: str, file: FileErrors) -> dict[str, Any]:
    """Make an entry of report.json's `layers`, as plain JSON values.

    Args:
        bundle: the name of the bundle's file.
        target: the name of its target.
        file: the errors.
    """
    found = culprit(file.tensors)
    return {
        "bundle": bundle,
        "target": target,
        "format": file.spec.format,
        "precision": file.spec.precision,
        "recipe": recipe(file.spec),
        "ships": file.ships,
        "culprit": plain(found) if found else None,
        "tensors": plain(tuple(file.tensors)),
    }


def recipe(spec: VariantSpec) -> str:
    """Say how a file is quantized, where that differs from the plain way; "" if it does not."""
    own = spec.quantization
    parts = [f"{own.ranges} ranges"] if own.ranges != "minmax" else []
    parts += ["equalized"] if own.equalized else []
    parts += [f"{', '.join(own.float_layers)} in float"] if own.float_layers else []
    return ", ".join(parts)


def title(file: dict[str, Any]) -> str:
    """Return the name of an entry's file, for people.

    Args:
        file: from `entry`.
    """
    name = f"{file['format']} {file['precision']}"
    return f"{name} ({file['recipe']})" if file["recipe"] else name


def verdict(file: dict[str, Any]) -> str:
    """Say where a file breaks, in one line.

    Args:
        file: from `entry`.
    """
    outputs = [ratio_of(tensor["total"]) for tensor in file["tensors"] if tensor["is_output"]]
    left = min((ratio for ratio in outputs if ratio is not None), default=None)
    kept = "" if left is None else f"; the outputs keep {left:.1f} dB"
    found = file["culprit"]
    if not found:
        return f"no layer breaks it{kept}"
    place = found["layer"] or found["tensor"]
    return f"breaks at {place}: {CAUSES[found['cause']]}{kept}"


def picture_name(bundle: str) -> str:
    """Return the name of the file with a bundle's picture.

    Args:
        bundle: the name of the bundle's file.
    """
    return f"{bundle.removesuffix('.strop')}-layers.png"


CAUSES = {
    "rounding": "its values are rounded too coarsely, because its channels' ranges differ widely",
    "clipping": "its range is too narrow for these samples: give calibration samples of every kind",
    "weights": "its weights are rounded too coarsely",
    "sum": "small errors of several layers come together",
}


def ratio_of(figures: dict[str, Any] | None) -> float | None:
    """Return the ratio over the channels of an entry's figures; None if there is none."""
    return None if figures is None else figures["channels_db"]
