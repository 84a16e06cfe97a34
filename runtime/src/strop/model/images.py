"""Pictures and .npy files as model input, prepared as the manifest says."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import ImageSpec, TensorSpec
from strop.errors import InputError, StropError

MAX_PIXELS = 64 * 2**20  # a 64-megapixel photo; more is a decompression bomb on a small board
MAX_NPY_BYTES = 2**30

# Pillow knows others: it starts Ghostscript for EPS, and libtiff complains past us on stderr.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "WEBP")


def read_samples(path: str | PathLike[str], spec: TensorSpec) -> NDArray[Any]:
    """Read one file: a `.npy` file as the array in it, any other as a picture of one sample.

    Args:
        path: a `.npy` file, or a picture in one of `FORMATS`.
        spec: the model's input; its `image` says how a picture is prepared.

    Returns:
        An array for `Model.predict`, which checks its shape and dtype. Of a picture: uint8, of one
        sample's shape, such as (28, 28).

    Raises:
        InputError: there is no such file, it is not an array or picture, or the model takes no
            pictures.
        StropError: the file is a picture, and Pillow is not installed.
    """
    try:
        if Path(path).suffix == ".npy":
            return _read_npy(Path(path))
        return _read_image(Path(path), spec)
    except OSError as error:
        raise InputError(f"cannot read {fspath(path)}: {error.strerror or error}") from None


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


def _read_image(path: Path, spec: TensorSpec) -> NDArray[Any]:
    if spec.image is None:
        raise InputError("the model takes no pictures", f"give it a .npy file instead of {path}")
    path.open("rb").close()  # a missing file is said to be missing, with Pillow or without
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        from strop.versions import install_line

        raise StropError(
            f"reading {path} needs Pillow, which is not installed", install_line("images")
        ) from None
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path} has {image.width} x {image.height} pixels, at most {MAX_PIXELS}",
                    "scale it down",
                )
            return prepare(image, spec.image).reshape(*(size or 1 for size in spec.shape[1:]))
    except InputError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is no picture that Pillow reads: {error}") from None
    except (ValueError, SyntaxError, EOFError) as error:  # what its decoders raise on bad bytes
        raise InputError(f"{path} is a damaged picture: {error}") from None


def prepare(image: Any, spec: ImageSpec) -> NDArray[np.uint8]:
    """Turn a Pillow image into the model's input.

    Transparency is laid over white, and colours become `spec.mode`. A picture of another size is
    scaled to fit, and padded with the median of its own border. With `spec.background` "dark", a
    picture whose border's median is light is inverted: ink on paper becomes light on dark.

    Args:
        image: a `PIL.Image.Image` of any size and mode; one of 32 bits a pixel is refused.
        spec: the mode, size and background that the model takes.

    Returns:
        uint8 (height, width) for mode "L", uint8 (height, width, 3) for "RGB"; 0..255.

    Raises:
        ValueError: the picture has 32 bits a pixel, in a range it does not say.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(_eight_bits(image))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    image = image.convert(spec.mode)
    border = _border(np.asarray(image))
    if spec.background == "dark" and border.mean() > 127:
        image, border = ImageOps.invert(image), 255 - border
    if image.size != (spec.width, spec.height):
        image = _fit(image, (spec.width, spec.height), tuple(int(level) for level in border))
    return np.asarray(image, np.uint8)


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


def _fit(image: Any, size: tuple[int, int], colour: tuple[int, ...]) -> Any:
    """Scale a picture as large as fits, in proportion, and put it in the middle of this colour."""
    from PIL import Image

    scale = min(size[0] / image.width, size[1] / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    paper = Image.new(image.mode, size, colour if len(colour) > 1 else colour[0])
    corner = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    paper.paste(image.resize(inner, Image.Resampling.BILINEAR), corner)
    return paper


def _border(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the median of the outermost pixels per channel, float64 (channels,), 0..255."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)  # (height, width, channels)
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    return np.asarray(np.median(np.concatenate(edges), axis=0))
