"""The forms other than arrays in which an app may give a sample to `Model.classify`."""

from __future__ import annotations

import io
import sys
from os import PathLike
from typing import TYPE_CHECKING

from strop.errors import InputError
from strop.model.arrays import read_inputs
from strop.model.images import prepare, read_samples

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec


def as_inputs(given: Any, specs: tuple[InputSpec, ...]) -> Any:
    """Return a sample as `Model.predict` takes it.

    Args:
        given: the path of a picture, .npy or .npz file; a picture as the bytes of its file, as an
            open binary file or as a Pillow image; anything else is returned as it is.
        specs: the model's inputs.

    Raises:
        InputError: it is not such a file or picture, or the model takes no pictures.
        StropError: it is a picture, and Pillow is not installed.
    """
    if isinstance(given, str | PathLike):
        return read_inputs(given, specs)
    if isinstance(given, bytes | bytearray):
        return read_samples(io.BytesIO(given), _only(specs))
    if _is_image(given):
        return _prepared(given, _only(specs))
    if callable(getattr(given, "read", None)):
        if isinstance(given, io.TextIOBase):
            raise InputError("the file is open as text", 'open it in mode "rb"')
        return read_samples(given, _only(specs))
    return given


def _only(specs: tuple[InputSpec, ...]) -> InputSpec:
    if len(specs) > 1:
        names = ", ".join(spec.name for spec in specs)
        raise InputError(
            f"this is one picture, and the model takes {len(specs)} inputs: {names}",
            "give an array for each, by name",
        )
    return specs[0]


def _is_image(given: Any) -> bool:
    """Tell whether it is a Pillow image; who has one has imported Pillow."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(given, pillow.Image)


def _prepared(image: Any, spec: InputSpec) -> NDArray[Any]:
    if spec.picture is None:
        raise InputError("the model takes no pictures", "give it an array")
    array = prepare(image, spec.picture)
    return array.reshape(*(size or 1 for size in spec.shape[1:]))
