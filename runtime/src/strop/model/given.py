"""The forms other than arrays in which an app may give a sample to `Model.classify`."""

from __future__ import annotations

import io
import sys
from os import PathLike
from typing import TYPE_CHECKING

from strop.errors import InputError
from strop.model.arrays import read_inputs
from strop.model.images import MAX_FILE_BYTES, prepare, read_samples, sample_shape

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import InputSpec

_PIECE = 2**20  # bytes that are read at once


def as_inputs(given: Any, specs: tuple[InputSpec, ...]) -> Any:
    """Return a sample as `Model.predict` takes it.

    Args:
        given: the path of a picture, .npy or .npz file; a picture as the bytes of its file, as an
            open binary file, which is read from where it is, or as a Pillow image; anything else
            is returned as it is.
        specs: the model's inputs.

    Raises:
        InputError: it is not such a file or picture, or the model takes no pictures.
        StropError: it is a picture, and Pillow is not installed.
    """
    if isinstance(given, str | PathLike):
        return read_inputs(given, specs)
    if isinstance(given, bytes | bytearray) or _is_content(given, specs):
        return read_samples(io.BytesIO(given), _only(specs))
    if _is_image(given):
        return _prepared(given, _only(specs))
    if callable(getattr(given, "read", None)):
        spec = _only(specs)
        return read_samples(_read(given), spec)
    return given


def _is_content(given: Any, specs: tuple[InputSpec, ...]) -> bool:
    """Tell whether it is a view of a picture file's bytes, and not of an array."""
    if not isinstance(given, memoryview) or not given.c_contiguous:
        return False
    return given.ndim == given.itemsize == 1 and any(spec.picture for spec in specs)


def _read(file: Any) -> io.BytesIO:
    """Read an app's open file from where it is to its end."""
    content = io.BytesIO()
    while content.tell() <= MAX_FILE_BYTES:  # read_samples refuses more
        try:
            piece = file.read(_PIECE)
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            found = str(error).rstrip(".")
            raise InputError(f"cannot read the file: {found}", "give one that is open") from error
        if not isinstance(piece, bytes | bytearray | memoryview):
            found = type(piece).__name__
            raise InputError(f"the file gives {found} instead of bytes", 'open it in mode "rb"')
        if not piece:
            break
        content.write(piece)
    if not content.tell():
        raise InputError("the file has nothing left to read", "go to its start with seek(0)")
    return content


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
    return prepare(image, spec.picture).reshape(sample_shape(spec))
