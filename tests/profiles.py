"""Small bundles with a profile, and pictures that are like their calibration samples, or not.

draft = profiled(bundles.image())
counts = counted(draft, pictures(200))
"""

from __future__ import annotations

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
from tests.bundles import Draft

CALIBRATION = 500  # samples

Pictures = NDArray[np.uint8]  # (N, 4, 4)


def pictures(count: int, seed: int = 0, high: int = 256) -> Pictures:
    """Random pictures of the model `shapes`; other seeds give others of the same distribution.

    Args:
        count: how many.
        seed: of the random numbers.
        high: above the brightest pixel.
    """
    return np.random.default_rng(seed).integers(0, high, (count, 4, 4)).astype(np.uint8)


def profiled(draft: Draft, calibration: int = CALIBRATION) -> Draft:
    """Give `bundles.image` the profile of as many pictures."""
    manifest = parse(draft.manifest())
    samples = pictures(calibration, seed=1)
    answers = bundles.answer(draft, samples).astype(np.float32)
    inputs, outputs = of_inputs(manifest.inputs, [samples]), of_outputs(manifest.outputs, [answers])
    draft.content.update(inputs=plain(inputs), outputs=plain(outputs))
    return draft


def counted(path: Path, samples: NDArray[Any], **options: Any) -> Counts:
    """What a model has counted that was given each of these samples, one a call."""
    with strop.load(path, **{"count_every": 1, **options}) as model:
        for sample in samples:
            model.predict(sample)
        return model.counts()
