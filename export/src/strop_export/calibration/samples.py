"""The checks of whole samples: duplicates, copies of evaluation samples, missing classes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.bundle.manifest import OutputSpec
from strop_export.calibration.warning import Warned, is_rarer
from strop_export.figures import decisions

_MOST_SHARED = 0.03  # of the evaluation samples
_RARER = 5  # times: a class that hardly occurs

Values = NDArray[Any]


def copies(calibration: Sequence[Values], evaluation: Sequence[Values]) -> Iterator[Warned]:
    """Look for samples that occur again.

    Rows of a few flags or codes are often equal by chance. The evaluation samples show how often,
    and only more than that is a fault.

    Args:
        calibration: (N, ...) for each input.
        evaluation: (M, ...) for each input.
    """
    ours, theirs = _hashes(calibration), _hashes(evaluation)
    fewer = min(len(ours), len(theirs))
    different = len(set(ours))
    if 2 * different < len(ours) and 2 * len(set(ours[:fewer])) < len(set(theirs[:fewer])):
        yield Warned(
            "duplicates",
            "",
            f"only {different:,} of {len(ours):,} calibration samples are different",
            "give different samples: a copy adds nothing to the ranges",
        )
    known = set(ours)
    shared = sum(row in known for row in theirs)
    times = Counter(theirs)
    again = sum(times[row] > 1 for row in theirs)
    rest = 1 - min(again, len(theirs) - 0.5) / len(theirs)
    by_chance = 1 - rest ** (len(ours) / max(len(theirs) - 1, 1))
    if shared > len(theirs) * max(_MOST_SHARED, 2 * by_chance):
        every = shared == len(theirs)
        yield Warned(
            "overlap",
            "",
            f"{'all ' if every else ''}{shared:,} of {len(theirs):,} evaluation samples are also "
            "calibration samples" + (": the proof is not independent" if every else ""),
            "evaluate on samples that neither training nor calibration has seen",
        )


def _hashes(arrays: Sequence[Values]) -> list[bytes]:
    """Return a hash of each sample, over all inputs."""
    rows = zip(*(np.ascontiguousarray(a).reshape(len(a), -1) for a in arrays), strict=True)
    return [hashlib.sha256(b"".join(map(bytes, row))).digest() for row in rows]


def classes(
    specs: Sequence[OutputSpec], calibration: Sequence[Values], evaluation: Sequence[Values]
) -> Iterator[Warned]:
    """Look for classes that Keras finds far more often among the evaluation samples.

    Args:
        specs: the model's outputs.
        calibration: Keras's answers to the calibration samples, (N, ...) for each output.
        evaluation: Keras's answers to the evaluation samples, (M, ...) for each output.
    """
    for spec, ours, theirs in zip(specs, calibration, evaluation, strict=True):
        if spec.kind not in ("class", "binary"):
            continue
        there = Counter(decisions(spec, ours).tolist())
        often = Counter(decisions(spec, theirs).tolist())
        sizes = len(ours), len(theirs)
        rare = [
            label
            for label, count in often.most_common()
            if there[label] * sizes[1] * _RARER < count * sizes[0]
            and is_rarer(there[label], sizes[0], count, sizes[1], len(often))
        ]
        if rare:
            label, more = rare[0], len(rare) - 1
            yield Warned(
                "classes",
                "",
                f"{there[label]:,} of {sizes[0]:,} calibration samples are of class "
                f"{spec.labels[label]}, and {often[label]:,} of {sizes[1]:,} evaluation samples, "
                f"by Keras's answers{f'; other such classes: {more:,}' if more else ''}",
                "calibrate with samples of every class",
            )
