"""The steps from a picture to an input, one function each; docs/bundle-format.md has the sums.

Each takes a Pillow image of mode "L" or "RGB" and its options from the manifest, whose rules
`strop.bundle.pictures` has checked, and returns an image of the same mode; only `normalise`, the
last one, returns an array. They count in whole numbers where they can, so that any other reader
gets the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

BILINEAR = Image.Resampling.BILINEAR


def flatten(image: Any, level: int) -> Any:
    """Lay what is transparent over paper of this level; the image may have any mode."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (level, level, level, 255)), image)


def invert(image: Any, when: str) -> Any:
    """Invert a picture whose border is light; `when` has one value, "light-border"."""
    return ImageOps.invert(image) if _border(image).mean() > 127 else image


def stretch(image: Any, low: float, high: float) -> Any:
    """Stretch the levels so that these percentiles become 0 and 255."""
    counts = np.reshape(image.histogram(), (-1, 256)).sum(axis=0)  # (256,), of all channels
    upto = list(accumulate(int(count) for count in counts))
    last = upto[-1] - 1  # the place of the largest level, were all of them sorted
    bottom = _level_at(math.floor(last * low / 100), upto)
    top = _level_at(math.ceil(last * high / 100), upto)
    if bottom == top:
        return image
    span = top - bottom
    levels = [((level - bottom) * 510 + span) // (2 * span) for level in range(256)]
    return _mapped(image, [min(max(level, 0), 255) for level in levels])


def find(image: Any, above: int) -> Any:
    """Cut out the smallest box around all levels above this one; without any, keep the picture."""
    box = _mapped(image, [255 * (level > above) for level in range(256)]).getbbox()
    return image.crop(box) if box else image


def fit(image: Any, width: int, height: int, fill: int | str) -> Any:
    """Scale as large as fits, in proportion, and put it in the middle of its border or a level."""
    if image.size == (width, height):
        return image
    colour = _paper(image) if fill == "border" else (int(fill),) * len(image.getbands())
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return _in_the_middle(resize(image, *inner), (width, height), colour)


def centre(image: Any, width: int, height: int, fill: int) -> Any:
    """Put the centre of mass in the middle of a canvas of this level, which has no mass."""
    colour = (fill,) * len(image.getbands())
    mass = np.asarray(_mapped(image, [abs(level - fill) for level in range(256)]))
    mass = mass.reshape(*mass.shape[:2], -1)  # (height, width, channels)
    across = mass.sum(axis=(0, 2), dtype=np.int64)  # (width,)
    down = mass.sum(axis=(1, 2), dtype=np.int64)  # (height,)
    if not across.any():
        return _in_the_middle(image, (width, height), colour)
    corner = width // 2 - _centre_of(across), height // 2 - _centre_of(down)
    return _pasted(image, (width, height), corner, colour)


def resize(image: Any, width: int, height: int) -> Any:
    """Scale to this size, whatever the proportions."""
    # In two calls: the order of the passes makes a level of difference, and Pillow 13 chooses it.
    return image.resize((width, image.height), BILINEAR).resize((width, height), BILINEAR)


def crop(image: Any, width: int, height: int) -> Any:
    """Cut out the middle; where the picture is smaller, its border goes on around it."""
    return _in_the_middle(image, (width, height), _paper(image))


def normalise(image: Any, scale: float, offset: float) -> NDArray[np.float32]:
    """Turn levels into float32 (height, width) or (height, width, 3): scale x level + offset."""
    levels = np.asarray(image, np.float32)
    return levels * np.float32(scale) + np.float32(offset)


STEPS: dict[str, Callable[..., Any]] = {
    step.__name__: step
    for step in (flatten, invert, stretch, find, fit, centre, resize, crop, normalise)
}


def _border(image: Any) -> NDArray[np.float64]:
    """Return the median of the outermost pixels per channel, float64 (channels,), 0..255."""
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)  # (height, width, channels)
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    return np.asarray(np.median(np.concatenate(edges), axis=0))


def _paper(image: Any) -> tuple[int, ...]:
    return tuple(int(level) for level in _border(image))


def _level_at(place: int, upto: list[int]) -> int:
    """Return the level at this place, from 0, were all of them sorted; `upto` counts them."""
    return next(level for level, count in enumerate(upto) if count > place)


def _centre_of(mass: NDArray[np.int64]) -> int:
    """Return the place nearest to the centre of mass of a line, the larger of two."""
    whole, moment = int(mass.sum()), int(mass @ np.arange(len(mass)))
    return (2 * moment + whole) // (2 * whole)


def _mapped(image: Any, levels: list[int]) -> Any:
    """Replace each level by that at its place in the list, in every channel."""
    return image.point(levels * len(image.getbands()))


def _in_the_middle(image: Any, size: tuple[int, int], colour: tuple[int, ...]) -> Any:
    corner = (size[0] - image.width) // 2, (size[1] - image.height) // 2
    return _pasted(image, size, corner, colour)


def _pasted(
    image: Any, size: tuple[int, int], corner: tuple[int, int], colour: tuple[int, ...]
) -> Any:
    """Put an image on a canvas of this colour; what lies beyond the canvas is cut off."""
    canvas = Image.new(image.mode, size, colour if len(colour) > 1 else colour[0])
    canvas.paste(image, corner)
    return canvas
