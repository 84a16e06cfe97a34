"""Drafts of bundles with the profile that export would make, and pictures that are like it or not.

path = profiled(bundles.image(), CALIBRATION).write(tmp_path / "shapes.strop")
counts = counted(path, pictures(200))
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import strop
from strop.bundle.counts import Counts
from strop.bundle.manifest import plain
from strop.bundle.schema import parse
from strop_export.source.profile import of_inputs, of_outputs
from tests import bundles


def profiled(
    draft: bundles.Draft, *samples: NDArray[Any], answers: tuple[NDArray[Any], ...] = ()
) -> bundles.Draft:
    """Give a draft the profile of samples and of answers.

    Args:
        draft: `bundles.image`, `vector` or `pair`; any, if `answers` are given.
        samples: (N, ...) of each input.
        answers: (N, ...) of each output; by default the draft's own.
    """
    manifest = parse(draft.manifest())
    inputs = of_inputs(manifest.inputs, samples)
    if not answers and len(samples) == 1:
        answers = (bundles.answer(draft, samples[0]).astype(np.float32),)
    answers = answers or bundles.pair_answer(*samples)
    outputs = of_outputs(manifest.outputs, answers)
    draft.content["inputs"] = json.loads(json.dumps(plain(inputs)))
    draft.content["outputs"] = json.loads(json.dumps(plain(outputs)))
    return draft


def pictures(count: int, seed: int = 0, high: int = 256) -> NDArray[np.uint8]:
    """Random pictures for `bundles.image`; other seeds give others of the same distribution.

    Args:
        count: how many.
        seed: of the random numbers.
        high: above the brightest pixel.

    Returns:
        (count, 4, 4).
    """
    return np.random.default_rng(seed).integers(0, high, (count, 4, 4)).astype(np.uint8)


CALIBRATION = pictures(500, seed=1)


def counted(path: Path, samples: NDArray[Any]) -> Counts:
    """What a model has counted that was given each of these samples, one a call."""
    with strop.load(path, count_every=1) as model:
        for sample in samples:
            model.predict(sample)
        return model.counts()
