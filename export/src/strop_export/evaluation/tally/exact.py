"""Exact sums of floats: Python integers, which do not depend on the order of the terms.

A float64 is a whole number of units of 2**-1074. So is each sum, as an integer of any size: nothing
is rounded, nothing overflows, and no resolution has to be chosen.

To be fast, terms are cut into digits of 32 bits, from the largest down, by adding and subtracting a
large constant (Demmel and Nguyen, "Fast Reproducible Floating-Point Summation", ARITH 2013). The
digits of one place are added in float64, which is exact up to 2**53.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strop_export.evaluation.tally.groups import Groups, starts

LARGEST: Final = 2.0**400  # 2.6e120, of a value that can be squared and summed

_UNIT: Final = 1074  # a sum counts units of 2**-1074
_DIGIT: Final = 32  # bits
_SPLIT: Final = 2.0**27 + 1  # halves the 53 bits of a float64
_CHUNK: Final = 2**18  # values at once: they fit a processor's cache
_WRITTEN: Final = re.compile(r"0|-?(?!0)[0-9a-f]{0,700}[13579bdf]p(0|[1-9][0-9]{0,3})")


def sums(terms: NDArray[np.float64], groups: Groups) -> NDArray[np.object_]:
    """Add up the rows of each group, exactly.

    Args:
        terms: finite, below 2**900, (rows, columns).
        groups: the group of each row.

    Returns:
        Python integers in units of 2**-1074, (groups here, columns).
    """
    total = np.zeros((len(groups.places), terms.shape[1]), object)
    rows, owners = groups.ordered(terms)
    step = max(_CHUNK // max(terms.shape[1], 1), 1)
    for first in range(0, len(rows), step):
        some, own = rows[first : first + step], owners[first : first + step]
        begins = starts(own)
        total[own[begins]] += _of_chunk(some, begins)
    return total


def _of_chunk(rest: NDArray[np.float64], begins: NDArray[np.intp]) -> NDArray[np.object_]:
    """Add up consecutive rows from each of some starts, (starts, columns)."""
    total = np.zeros((len(begins), rest.shape[1]), object)
    bits = math.frexp(float(np.abs(rest).max(initial=0.0)))[1] + _UNIT
    place = max(-(-(bits - _DIGIT) // _DIGIT), 0)  # of the highest digit
    while place >= 0 and rest.any():
        lowest = place * _DIGIT - _UNIT  # the digit counts 2**lowest
        shift = math.ldexp(1.5, lowest + 52)
        digits = (rest + shift) - shift  # rounded to multiples of 2**lowest
        counts = np.ldexp(np.add.reduceat(digits, begins, axis=0), -lowest)
        total += counts.astype(np.int64).astype(object) << (place * _DIGIT)
        rest = rest - digits
        place -= 1
    return total


def squares(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return squares as sums of two floats, which are exact where float64 alone would round.

    The variance of values that are far from 0, such as times, is lost in rounded squares. (Dekker,
    Numerische Mathematik 18, 1971.) What lies below 1e-290 of a square is lost.

    Args:
        values: up to `LARGEST` in size.
    """
    square = values * values
    high = values * _SPLIT
    high -= high - values
    low = values - high
    return square, ((high * high - square) + 2 * high * low) + low * low


def fraction(total: int) -> Fraction:
    """Return a sum as the number that it is."""
    return Fraction(total, 1 << _UNIT)


def written(total: int) -> str:
    """Write a sum in its one form: hexadecimal digits of an odd number, and the power of two."""
    if not total:
        return "0"
    zeros = (total & -total).bit_length() - 1
    return f"{total >> zeros:x}p{zeros}"


def read(text: Any) -> int | None:
    """Read what `written` wrote; None if it is anything else."""
    if not isinstance(text, str) or len(text) > 720 or not _WRITTEN.fullmatch(text):
        return None
    if text == "0":
        return 0
    digits, zeros = text.split("p")
    return int(digits, 16) << int(zeros)
