"""strop run --explain: save the picture that the model sees, enlarged."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, Manifest
from strop.commands.saving import save
from strop.errors import InputError
from strop.model.arrays import NPY, NPZ

_SIDE = 280  # pixels; a smaller picture is enlarged up to this


def require_one_picture(path: str, inputs: Sequence[str], manifest: Manifest) -> None:
    """Check that --explain can be met: one picture, a model that takes it, a name in .png.

    Args:
        path: the file to write.
        inputs: the files to predict.
        manifest: the bundle's.

    Raises:
        InputError: it cannot be met.
    """
    if len(manifest.inputs) > 1 or manifest.inputs[0].picture is None:
        raise InputError(f"--explain {path}: {manifest.name} takes no pictures", "leave it out")
    if len(inputs) > 1:
        raise InputError(f"--explain {path}: it takes one picture, got {len(inputs)}", "give one")
    if Path(inputs[0]).suffix in (NPY, NPZ):
        raise InputError(f"--explain {path}: {inputs[0]} is not a picture", "give a picture")
    if Path(path).suffix != ".png":
        raise InputError(f"--explain {path}: the name must end in .png", f"call it {path}.png")


def write_seen(path: str, seen: NDArray[Any], spec: InputSpec) -> None:
    """Write a prepared picture as a PNG, each of its pixels as a square.

    Args:
        path: the file to write.
        seen: (height, width), (height, width, 1) or (height, width, 3), as the model takes it.
        spec: the model's input.

    Raises:
        InputError: the file cannot be written.
    """
    from PIL import Image  # it is there: it has read the picture

    if seen.shape[2:] == (1,):
        seen = seen[..., 0]
    squares = _levels(seen, spec)
    for axis in (0, 1):
        squares = squares.repeat(max(1, _SIDE // max(seen.shape[:2])), axis)
    content = io.BytesIO()
    Image.fromarray(squares).save(content, "PNG")
    save(path, content.getvalue())


def _levels(seen: NDArray[Any], spec: InputSpec) -> NDArray[np.uint8]:
    """Return a prepared picture as levels 0..255, before the step `normalise` if there is one."""
    last = spec.picture.steps[-1] if spec.picture else None
    if last is None or last.step != "normalise":
        return seen.astype(np.uint8)
    scale, offset = last.options["scale"], last.options["offset"]
    levels = (seen.astype(np.float64) - offset) / (scale or 1)
    rounded: NDArray[np.uint8] = levels.round().clip(0, 255).astype(np.uint8)
    return rounded
