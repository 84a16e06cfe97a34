"""A warning about calibration samples, and the chance by which it is told from bad luck."""

from __future__ import annotations

import math
from typing import NamedTuple

_CHANCE = 1e-6  # that honest samples are warned about


class Warned(NamedTuple):
    """A fault of the calibration samples.

    Attributes:
        kind: the kind of fault, one word.
        input: the input's name; "" for all inputs together.
        found: what was found, with figures.
        mend: what to do.
    """

    kind: str
    input: str
    found: str
    mend: str


def is_no_chance(count: int, calibration: int, evaluation: int, tests: int = 1) -> bool:
    """Tell whether calibration samples cannot be of the same kind as the evaluation samples.

    Were they drawn from one source, the chance that a property of `count` samples is in none of
    the calibration samples would be at most (evaluation / all) ** count.

    Args:
        count: the number of evaluation samples with the property.
        calibration: the number of calibration samples; none has the property.
        evaluation: the number of evaluation samples.
        tests: the number of properties that are tried.
    """
    share = evaluation / (calibration + evaluation)
    return count * math.log(share) < math.log(_CHANCE / tests)


def is_rarer(there: int, calibration: int, count: int, evaluation: int, tests: int) -> bool:
    """Tell whether chance cannot explain how rare a property is in the calibration samples.

    Args:
        there: the number of calibration samples with the property.
        calibration: the number of calibration samples.
        count: the number of evaluation samples with the property.
        evaluation: the number of evaluation samples.
        tests: the number of properties that are tried.
    """
    from scipy.stats import hypergeom

    chance = hypergeom.cdf(there, calibration + evaluation, there + count, calibration)
    return bool(chance < _CHANCE / tests)
