"""Drafts of bundles with the profile that export would make."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
