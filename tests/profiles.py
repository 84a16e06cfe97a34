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


def profiled(draft: bundles.Draft, *samples: NDArray[Any]) -> bundles.Draft:
    """Give `bundles.image`, `vector` or `pair` the profile of samples and of its answers."""
    manifest = parse(draft.manifest())
    inputs = of_inputs(manifest.inputs, samples)
    if len(samples) == 1:
        answers: tuple[NDArray[Any], ...] = (bundles.answer(draft, samples[0]).astype(np.float32),)
    else:
        answers = bundles.pair_answer(*samples)
    outputs = of_outputs(manifest.outputs, answers)
    draft.content["inputs"] = json.loads(json.dumps(plain(inputs)))
    draft.content["outputs"] = json.loads(json.dumps(plain(outputs)))
    return draft
