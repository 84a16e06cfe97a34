"""The rules of the picture steps in a manifest; `strop.model.picture_steps` carries them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from strop.bundle.manifest import InputSpec, Picture

MAX_STEPS = 32
MAX_SIDE = 2**12  # pixels
MAX_AREA = 2**22  # pixels; each step makes a picture of its own
MAX_DRAWING = 2**9  # pixels per side of a picture for `ink` and `find`
MAX_FACTOR = 1e30  # 255 of them are still finite as float32


def _is_level(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 255


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_SIDE


def _is_percentile(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100


def _is_factor(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= MAX_FACTOR


def _is_level_or_border(value: Any) -> bool:
    return value == "border" or _is_level(value)


def _is_level_or_contrast(value: Any) -> bool:
    return value == "contrast" or _is_level(value)


def _is_share(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 50


def _is_light_border(value: Any) -> bool:
    return bool(value == "light-border")


_SIZE: dict[str, Callable[[Any], bool]] = {"width": _is_side, "height": _is_side}

# The options of each step, all of which it has, and what their values are.
STEPS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "flatten": {"level": _is_level_or_contrast},
    "invert": {"when": _is_light_border},
    "shrink": {"side": _is_side},
    "stretch": {"low": _is_percentile, "high": _is_percentile},
    "ink": {"reach": _is_share, "least": _is_level},
    "find": {"above": _is_level},
    "fit": {**_SIZE, "fill": _is_level_or_border},
    "centre": {**_SIZE, "fill": _is_level},
    "resize": _SIZE,
    "crop": _SIZE,
    "normalise": {"scale": _is_factor, "offset": _is_factor},
}


def is_picture(picture: Picture, spec: InputSpec) -> bool:
    """Tell whether steps are known, sound, in an order that works, and end in what the input takes.

    Args:
        picture: the mode and the steps.
        spec: the input.
    """
    if picture.mode not in ("L", "RGB") or not 0 < len(picture.steps) <= MAX_STEPS:
        return False
    names = [step.step for step in picture.steps]
    if "flatten" in names[1:] or "normalise" in names[:-1]:  # transparency first, floats last
        return False
    size, side = None, MAX_DRAWING + 1  # the size where it is known; no side is longer than this
    for step in picture.steps:
        if not _is_step(step.step, step.options):
            return False
        if step.step in ("ink", "find") and side > MAX_DRAWING:
            return False
        if "width" in step.options:
            size = step.options["height"], step.options["width"]
            side = max(size)
        elif step.step in ("shrink", "find"):
            size = None  # of whatever was given or found
            side = min(side, step.options.get("side", side))
    if size is None:
        return False
    shapes = (size, (*size, 1)) if picture.mode == "L" else ((*size, 3),)
    dtype = "float32" if names[-1] == "normalise" else "uint8"
    return spec.shape[1:] in shapes and spec.dtype == dtype


def _is_step(name: str, options: dict[str, Any]) -> bool:
    rules = STEPS.get(name)
    if rules is None or rules.keys() != options.keys():
        return False
    if not all(rules[option](value) for option, value in options.items()):
        return False
    if name == "stretch":
        return bool(options["low"] < options["high"])
    return "width" not in options or options["width"] * options["height"] <= MAX_AREA
