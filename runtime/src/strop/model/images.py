"""Pictures and .npy files as model input, prepared as the manifest says."""

from __future__ import annotations

import io
import os
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from strop.bundle.files import open_regular
from strop.bundle.manifest import InputSpec, Picture
from strop.errors import InputError, StropError

MAX_NPY_BYTES = 2**30
MAX_FILE_BYTES = 2**28  # of a picture


def read_samples(path: str | PathLike[str] | BinaryIO, spec: InputSpec) -> NDArray[Any]:
    """Read one file: a `.npy` file as the array in it, any other as a picture of one sample.

    Args:
        path: a `.npy` file, or a picture in one of `strop.model.decoding.FORMATS`; or such a
            picture as a binary file that is open and can seek, which is read from its start.
        spec: the model's input; its `picture` says how one is prepared.

    Returns:
        An array for `Model.predict`, which checks its shape and dtype. Of a picture: one
        sample, such as (28, 28), of the input's dtype: uint8 or float32.

    Raises:
        InputError: there is no such file, it is not an array or picture, or the model takes no
            pictures.
        BlankPicture: the picture is blank.
        StropError: the file is a picture, and Pillow is not installed.
    """
    where = fspath(path) if isinstance(path, str | PathLike) else "the picture"
    if Path(where).suffix == ".npy":
        with open_file(where) as file:
            return _read_npy(file, where)
    if spec.picture is None:
        raise InputError("the model takes no pictures", f"give it a .npy file instead of {where}")
    if not isinstance(path, str | PathLike):
        return _read_image(path, where, spec.picture).reshape(sample_shape(spec))
    with open_file(where) as file:
        return _read_image(file, where, spec.picture).reshape(sample_shape(spec))


def open_file(path: str) -> BinaryIO:
    """Open a regular file, without waiting for a pipe or a device.

    Raises:
        InputError: it cannot be opened, or is not a regular file.
    """
    try:
        return open_regular(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # a path with a zero byte, or with half a surrogate pair
        raise InputError(f"cannot read {path!r}: {error}") from None


def _read_npy(file: BinaryIO, where: str) -> NDArray[Any]:
    if os.fstat(file.fileno()).st_size > MAX_NPY_BYTES:
        raise InputError(f"{where} is larger than {MAX_NPY_BYTES} bytes", "split it")
    try:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror or error}") from None
    except Exception as error:  # numpy's reader may raise anything on a bad header
        raise InputError(f"{where} is not an .npy array: {error}") from error
    return array


def sample_shape(spec: InputSpec) -> tuple[int, ...]:
    """Return the shape of one sample, with 1 for each free size."""
    return tuple(size or 1 for size in spec.shape[1:])


def _read_image(file: BinaryIO, where: str, picture: Picture) -> NDArray[Any]:
    from strop.model.decoding import decode

    try:
        size = file.seek(0, io.SEEK_END)
        if size > MAX_FILE_BYTES:
            raise InputError(f"the file is larger than {MAX_FILE_BYTES} bytes", "scale it down")
        file.seek(0)
        return _prepared(decode(file), picture)
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror or error}") from None
    except StropError as error:
        raise error.within(where) from None


def prepare(image: Any, picture: Picture) -> NDArray[Any]:
    """Turn a Pillow image into the model's input by the manifest's steps.

    First turn it as its EXIF data say, and bring it to 8 bits and to `picture.mode`. A `flatten`
    comes before the mode, the other steps after it.

    Args:
        image: a `PIL.Image.Image` within the limits of `strop.model.decoding`, of any mode except
            those of 32 bits per pixel.
        picture: the mode and the steps; `strop.bundle.pictures.is_picture` holds of them.

    Returns:
        (height, width) for mode "L", (height, width, 3) for "RGB"; uint8 levels 0..255, or float32
        if the last step is `normalise`.

    Raises:
        InputError: the picture is damaged or too large; it has 32 bits per pixel, whose range is
            unknown; or Pillow has not read it yet, and its format is not one of
            `strop.model.decoding.FORMATS`.
        BlankPicture: the picture is blank, and its steps need a drawing.
    """
    from strop.model.decoding import opened

    return _prepared(opened(image), picture)


def _prepared(levels: NDArray[np.uint8], picture: Picture) -> NDArray[Any]:
    """Carry out the steps; the levels are (height, width, 1, 3 or 4)."""
    from strop.model.picture_steps import STEPS, to_mode

    steps = picture.steps
    if steps and steps[0].step == "flatten":
        levels, steps = STEPS["flatten"](levels, **steps[0].options), steps[1:]
    made = to_mode(levels, picture.mode)
    for step in steps:
        made = STEPS[step.step](made, **step.options)
    return np.ascontiguousarray(made[..., 0] if picture.mode == "L" else made)
