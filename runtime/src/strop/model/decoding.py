"""Decode pictures with Pillow in bounded memory; whatever Pillow raises becomes an InputError.

A picture takes at most 256 MiB besides the interpreter's memory; docs/bundle-format.md, How a
picture is decoded, has the limits.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from strop.errors import InputError, StropError, one_line
from strop.model.metadata import require_little

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from numpy.typing import NDArray

    Levels = NDArray[np.uint8]

MAX_PIXELS = 2**24
MAX_WEBP_PIXELS = 3 * 2**22  # libwebp holds the picture twice
MAX_JPEG_PIXELS = 2**26  # of one scan: larger ones than MAX_PIXELS are decoded at half size
MAX_SIDE = 2**14 + 2**13  # pixels

# Pillow reads others, but starts Ghostscript for EPS, and libtiff writes to stderr.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "WEBP")

_PHOTOS = "MPO"  # what Pillow calls a JPEG with other ones behind it, as some phones write

_ORIENTATION, _SHORT = 0x0112, 3  # a tag of EXIF, and its type


def decode(file: BinaryIO) -> Levels:
    """Decode a picture file.

    Args:
        file: open at the picture's first byte.

    Returns:
        uint8 (height, width, channels): 1 of grey, 3 of colour, 4 of colour and transparency.
        It is turned and mirrored as its EXIF orientation says.

    Raises:
        InputError: it is not a picture of one of the `FORMATS`, is damaged, or has too many pixels.
        StropError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        from strop.versions import install_line

        raise StropError(
            "reading a picture needs Pillow, which is not installed", install_line("images")
        ) from None
    with _refusing():
        require_little(file)
    with _refusing(), Image.open(file, formats=FORMATS) as image:
        if _is_large_photo(image, file):
            image.draft(None, ((image.width + 1) // 2, (image.height + 1) // 2))
        _bound(image)
        return _pixels(image)


def opened(image: Any) -> Levels:
    """Return the levels of a Pillow image that is open, as `decode` does.

    The limits of `decode` apply. An image that Pillow has not read yet is read here, if `decode`
    supports its format.
    """
    with _refusing():
        file = getattr(image, "fp", None)  # which Pillow closes and sets to None when it has read
        if file is not None:
            if image.format not in (*FORMATS, _PHOTOS):
                kinds = ", ".join(FORMATS)
                raise InputError(
                    f"the picture is of format {image.format}, and not read yet",
                    f"give one of {kinds}, or convert it",
                )
            if _is_large_photo(image, file):
                return decode(file)  # which leaves the app's image as large as it is
        _bound(image)
        return _pixels(image)


@contextmanager
def _refusing() -> Iterator[None]:
    """Raise InputError for any error of Pillow, whose decoders may raise anything."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (InputError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise InputError("the picture has far too many pixels", "scale it down") from None
    except UnidentifiedImageError:
        kinds = ", ".join(FORMATS)
        raise InputError(
            "this is not a picture that Pillow reads", f"give it one of {kinds}"
        ) from None
    except Exception as error:  # noqa: BLE001
        raise InputError(
            f"the picture is damaged: {one_line(str(error))}", "save it again"
        ) from None


def _bound(image: Any) -> None:
    """Refuse a picture whose decoding would take too much memory."""
    width, height = image.size
    limit = MAX_WEBP_PIXELS if image.format == "WEBP" else MAX_PIXELS
    if width * height > limit or max(width, height) > MAX_SIDE:
        raise InputError(
            f"the picture has {width} x {height} pixels; at most {limit}, and {MAX_SIDE} a side",
            "scale it down",
        )


def _is_large_photo(image: Any, file: BinaryIO) -> bool:
    """Return whether an image is a JPEG that is decoded at half its size because it is large.

    Its first scan has all colours, one after the other. Of any other JPEG, libjpeg keeps the
    coefficients of the whole picture in memory.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    width, height = image.size
    if image.format not in ("JPEG", _PHOTOS) or max(width, height) > MAX_SIDE:
        return False
    if not MAX_PIXELS < width * height <= MAX_JPEG_PIXELS:
        return False
    file.seek(0)
    first = JpegImageFile(file)  # read up to its first scan
    channels = len(first.getbands())
    size = 6 + 2 * channels  # of the header of a scan that has all of them
    file.seek(max(0, file.tell() - size - 2))
    header = file.read(size + 2)
    is_one_scan = header[:5] == struct.pack(">HHB", 0xFFDA, size, channels)
    return is_one_scan and not first.info.get("progressive")


def _pixels(image: Any) -> Levels:
    if not image.width * image.height:
        raise InputError("the picture has no pixels")
    image.load()
    if image.mode.startswith("I"):
        levels = _eight_bits(np.asarray(image))
    elif image.mode == "F":
        raise _unknown_range()
    else:
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            mode = "RGBA"
        else:
            mode = "L" if image.mode in ("L", "1") else "RGB"
        levels = np.asarray(image if image.mode == mode else image.convert(mode))
    levels = levels.reshape(*levels.shape[:2], -1)
    return _turned(levels, orientation(image.info.get("exif")))


def _eight_bits(values: NDArray[Any]) -> Levels:
    """Keep 8 of as many bits as the largest value has; few cameras use all 16 of a file."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 2**16:
        raise _unknown_range()
    return (values >> max(0, high.bit_length() - 8)).astype(np.uint8)


def _unknown_range() -> InputError:
    return InputError(
        "the picture has 32 bits per pixel, and does not say in which range", "save it with 8 bits"
    )


def orientation(exif: Any) -> int:
    """Return the orientation in EXIF bytes, 1 to 8, or 1 if there is none; read no other tag."""
    if not isinstance(exif, bytes):
        return 1
    data = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        return 1
    (count,) = struct.unpack_from(f"{order}H", data, start)
    last = min(start + 2 + 12 * count, len(data) - 11)
    for place in range(start + 2, last, 12):
        tag, kind, values, value = struct.unpack_from(f"{order}HHIH", data, place)
        if (tag, kind, values) == (_ORIENTATION, _SHORT, 1):
            return value if 1 <= value <= 8 else 1
    return 1


def _turned(levels: Levels, orientation: int) -> Levels:
    if orientation >= 5:
        levels = levels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        levels = levels[::-1]
    if orientation in (2, 3, 6, 7):
        levels = levels[:, ::-1]
    return levels
