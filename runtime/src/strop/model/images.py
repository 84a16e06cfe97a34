"""Pictures and .npy files as model input, prepared as the manifest says."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import InputSpec, Picture
from strop.errors import InputError, StropError

MAX_PIXELS = 64 * 2**20  # a 64-megapixel photo; more is a decompression bomb on a small board
MAX_NPY_BYTES = 2**30

# Pillow knows others: it starts Ghostscript for EPS, and libtiff complains past us on stderr.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "WEBP")


def read_samples(source: str | PathLike[str] | IO[bytes], spec: InputSpec) -> NDArray[Any]:
    """Read one file: a `.npy` file as the array in it, any other as a picture of one sample.

    Args:
        source: the path of a `.npy` file, or of a picture in one of `FORMATS`; or such a picture,
            opened as a binary file.
        spec: the model's input; its `picture` says how one is prepared.

    Returns:
        An array for `Model.predict`, which checks its shape and dtype. Of a picture: one
        sample, such as (28, 28), of the input's dtype: uint8 or float32.

    Raises:
        InputError: there is no such file, it is not an array or picture, or the model takes no
            pictures.
        StropError: the file is a picture, and Pillow is not installed.
    """
    name = fspath(source) if isinstance(source, str | PathLike) else "the picture"
    try:
        if not isinstance(source, str | PathLike):
            return _read_image(source, spec, name)
        if Path(source).suffix == ".npy":
            return _read_npy(Path(source))
        return _read_image(source, spec, name)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from None


def _read_npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        if path.stat().st_size > MAX_NPY_BYTES:
            raise InputError(f"{path} is larger than {MAX_NPY_BYTES} bytes", "split it")
        try:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except OSError:
            raise
        except Exception as error:  # what numpy's reader raises on bad headers has no end
            raise InputError(f"{path} is no .npy array: {error}") from error
    return array


def _read_image(
    source: str | PathLike[str] | IO[bytes], spec: InputSpec, name: str
) -> NDArray[Any]:
    if spec.picture is None:
        raise InputError("the model takes no pictures", f"give it a .npy file instead of {name}")
    if isinstance(source, str | PathLike):  # a missing file is reported, with Pillow or without
        Path(source).open("rb").close()
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        from strop.versions import install_line

        raise StropError(
            f"reading {name} needs Pillow, which is not installed", install_line("images")
        ) from None
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{name} has {image.width} x {image.height} pixels, at most {MAX_PIXELS}",
                    "scale it down",
                )
            return prepare(image, spec.picture).reshape(*(size or 1 for size in spec.shape[1:]))
    except InputError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(f"{name} is no picture that Pillow reads: {error}") from None
    except (ValueError, SyntaxError, EOFError) as error:  # what its decoders raise on bad bytes
        raise InputError(f"{name} is a damaged picture: {error}") from None


def prepare(image: Any, picture: Picture) -> NDArray[Any]:
    """Turn a Pillow image into the model's input, step by step as the manifest has it.

    It is turned as its EXIF data say, and brought to 8 bits and to `picture.mode`. A `flatten`
    comes before the mode, the other steps after it.

    Args:
        image: a `PIL.Image.Image` of any size and mode; one of 32 bits a pixel is refused.
        picture: the mode and the steps; `strop.bundle.pictures.is_picture` holds of them.

    Returns:
        (height, width) for mode "L", (height, width, 3) for "RGB"; uint8 levels 0..255, or float32
        if the last step is `normalise`.

    Raises:
        ValueError: the picture has 32 bits a pixel, in a range it does not say.
    """
    from PIL import ImageOps

    from strop.model.picture_steps import STEPS  # needs Pillow

    image = ImageOps.exif_transpose(_eight_bits(image))
    steps = picture.steps
    if steps and steps[0].step == "flatten":
        image, steps = STEPS["flatten"](image, **steps[0].options), steps[1:]
    image = image.convert(picture.mode)
    for step in steps:
        image = STEPS[step.step](image, **step.options)
    return np.asarray(image)


def _eight_bits(image: Any) -> Any:
    """Convert a picture of 16 bits a pixel to 8 bits; Pillow would cut off values above 255.

    Raises:
        ValueError: the picture has 32 bits a pixel, in a range it does not say.
    """
    from PIL import Image

    if image.mode == "F":
        raise ValueError("32 bits a pixel, in a range it does not say; save it with 8")
    if not image.mode.startswith("I"):
        return image
    narrow = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    narrow.info["exif"] = image.getexif().tobytes()
    return narrow
