"""The steps that separate a drawing from its paper: `ink` and `find`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop.errors import BlankPicture

Levels = NDArray[np.uint8]

_FAINT = 16  # a part with less than this share of the mass of the main part is a speck
_EDGE = 8  # a part at the picture's edge, as a shadow is, counts for this share of its mass
_NEAR = 3  # a part is near within this share of the main part's longer side
_ROUNDS = 32  # of the search for a threshold


def ink(levels: Levels, reach: int, least: int) -> Levels:
    """Take the paper and its shadows away, which leaves light ink on black paper.

    Raises:
        BlankPicture: the contrast of ink and paper is below `least` levels.
    """
    made = np.empty_like(levels)
    for channel in range(levels.shape[2]):
        made[..., channel] = _ink(levels[..., channel], reach, least)
    return made


def _ink(levels: Levels, reach: int, least: int) -> Levels:
    height, width = levels.shape
    radius = max(1, max(height, width) * reach // 100)
    side = 2 * radius + 1
    around = np.pad(levels, radius, mode="edge")
    mean = _summed(_summed(around, side).T, side).T // side**2  # (height, width)
    if int(((levels - mean) ** 3).sum()) < 0:  # the few pixels that differ much are dark
        levels, around = 255 - levels, 255 - around
    # The opening: it has nothing that is light and narrower than the square.
    around = np.pad(around, radius, mode="edge")
    paper = _slid(_slid(around, side, np.minimum), side, np.maximum)
    return _stretched(levels - paper, least)


def _stretched(ink: Levels, least: int) -> Levels:
    """Stretch the levels from twice the paper's median to the ink's, which become 0 and 255."""
    counts = np.bincount(ink.reshape(-1), minlength=256).astype(np.int64)
    sums = (counts * np.arange(256)).cumsum()
    upto = counts.cumsum()
    threshold = int(ink.max()) // 2
    for _ in range(_ROUNDS):
        under, above = int(upto[threshold]), int(upto[-1] - upto[threshold])
        if not above:
            break
        low, high = int(sums[threshold]) // under, int(sums[-1] - sums[threshold]) // above
        if (low + high) // 2 == threshold:
            break
        threshold = (low + high) // 2
    paper, pen = ink[ink <= threshold], ink[ink > threshold]
    bottom = 2 * _median(paper)
    top = _median(pen) if pen.size else 0
    if top - bottom < max(1, least):
        raise BlankPicture("the picture is blank", "give one with more contrast of ink and paper")
    table = ((np.arange(256) - bottom) * 510 + (top - bottom)) // (2 * (top - bottom))
    return table.clip(0, 255).astype(np.uint8)[ink]


def _median(levels: Levels) -> int:
    """Return the level in the middle, the larger of two."""
    return int(np.partition(levels, levels.size // 2)[levels.size // 2])


def _summed(levels: NDArray[np.generic], side: int) -> NDArray[np.int64]:
    """Sum `side` rows from each on, as far as there are so many."""
    sums = np.zeros((len(levels) + 1, levels.shape[1]), np.int64)
    np.cumsum(levels, axis=0, dtype=np.int64, out=sums[1:])
    return sums[side:] - sums[:-side]


def _slid(levels: Levels, side: int, choose: np.ufunc) -> Levels:
    """Choose one level of each square that is inside the picture: `side - 1` fewer each way."""
    for _ in range(2):
        covered = 1
        while 2 * covered <= side:
            levels = choose(levels[:-covered], levels[covered:])
            covered *= 2
        rest = side - covered
        levels = choose(levels[: len(levels) - rest], levels[rest:]).T
    return levels


class _Part(NamedTuple):
    """Connected pixels: how much the part counts, the smallest box around it, and its places."""

    weight: int
    top: int
    left: int
    bottom: int
    right: int
    places: list[int]

    def near(self, other: _Part) -> bool:
        margin = max(other.bottom - other.top, other.right - other.left) // _NEAR
        return (
            self.top < other.bottom + margin
            and other.top < self.bottom + margin
            and self.left < other.right + margin
            and other.left < self.right + margin
        )


def find(levels: Levels, above: int) -> Levels:
    """Cut out the box around the drawing: the heaviest part above this level, and those near it.

    Raises:
        BlankPicture: no level is above this one.
    """
    framed = np.pad(levels.max(axis=2), 1)  # (height + 2, width + 2)
    parts = _parts(framed, above)
    if not parts:
        raise BlankPicture("the picture is blank", "give one that shows something")
    main = max(parts, key=lambda part: part.weight)
    kept = np.zeros(framed.size, bool)
    for part in parts:
        if part.weight * _FAINT >= main.weight and part.near(main):
            kept[part.places] = True
    # The faint edges of kept parts belong to them.
    whole = _slid(kept.reshape(framed.shape).view(np.uint8), 3, np.maximum).view(bool)
    drawn = np.where(whole[..., None], levels, 0).astype(np.uint8)
    inked = drawn.max(axis=2) > 0
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _parts(framed: Levels, above: int) -> list[_Part]:
    """Return the parts of pixels above this level that touch, in rows, columns and diagonals."""
    height, width = framed.shape
    flat = framed.reshape(-1)
    level = {int(place): int(flat[place]) for place in np.flatnonzero(flat > above)}
    around = [dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    parts = []
    unseen = set(level)
    for first in level:
        if first not in unseen:
            continue
        unseen.remove(first)
        places = [first]
        for place in places:  # which grows
            for step in around:
                if place + step in unseen:
                    unseen.remove(place + step)
                    places.append(place + step)
        rows, columns = [p // width for p in places], [p % width for p in places]
        top, left, bottom, right = min(rows), min(columns), max(rows) + 1, max(columns) + 1
        weight = sum(level[p] for p in places)
        if top == 1 or left == 1 or bottom == height - 1 or right == width - 1:
            weight //= _EDGE
        parts.append(_Part(weight, top, left, bottom, right, places))
    return parts
