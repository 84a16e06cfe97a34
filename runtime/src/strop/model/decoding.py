"""Decoding of pictures: bounded in memory, and with no error but ours; Pillow only decodes.

A picture takes at most 256 MiB besides the interpreter's memory; docs/bundle-format.md, How a
picture is decoded, has the limits.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from strop.errors import InputError, StropError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from numpy.typing import NDArray

    Levels = NDArray[np.uint8]

MAX_PIXELS = 2**24
MAX_WEBP_PIXELS = 3 * 2**22  # libwebp holds the picture twice
MAX_JPEG_PIXELS = 2**26  # of one scan: larger ones than MAX_PIXELS are decoded at half size
MAX_SIDE = 2**14 + 2**13  # pixels

# Pillow knows others: it starts Ghostscript for EPS, and libtiff complains past us on stderr.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "WEBP")

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
    with _refusing(), Image.open(file, formats=FORMATS) as image:
        _bound(image, file)
        return _pixels(image)


def opened(image: Any) -> Levels:
    """Return the levels of a Pillow image that is open, as `decode` does."""
    with _refusing():
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


def _bound(image: Any, file: BinaryIO) -> None:
    """Refuse a picture whose decoding would take too much memory, or have it decoded smaller."""
    width, height = image.size
    draft = image.format == "JPEG" and width * height > MAX_PIXELS and _is_one_scan(image, file)
    limit = MAX_WEBP_PIXELS if image.format == "WEBP" else MAX_PIXELS
    if draft:
        limit = MAX_JPEG_PIXELS
    if width * height > limit or max(width, height) > MAX_SIDE:
        raise InputError(
            f"the picture has {width} x {height} pixels; at most {limit}, and {MAX_SIDE} a side",
            "scale it down",
        )
    if draft:
        image.draft(None, ((width + 1) // 2, (height + 1) // 2))


def _is_one_scan(image: Any, file: BinaryIO) -> bool:
    """Tell whether a JPEG, read up to its first scan, has all colours in it, one after the other.

    Of any other, libjpeg keeps the coefficients of the whole picture in memory.
    """
    if image.info.get("progressive"):
        return False
    channels = len(image.getbands())
    size = 6 + 2 * channels  # of the header of a scan that has all of them
    end = file.tell()
    file.seek(max(0, end - size - 2))
    header = file.read(size + 2)
    file.seek(end)
    return header[:5] == struct.pack(">HHB", 0xFFDA, size, channels)


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
    """Read the orientation, 1 to 8, from EXIF bytes, and nothing else; 1 where they have none."""
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
