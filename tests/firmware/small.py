"""A small bundle with a plan, and the folder of C that is made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from strop.bundle.file import Bundle, parse_bundle
from strop.diagnostics.replay import golden_inputs, proven_outputs
from strop_export.firmware.folder import Golden
from tests import bundles, plans
from tests.firmware import kit
from tests.needs import strop_native


def packed() -> bytes:
    """A classifier of small pictures as a bundle; the native engine gave its proven outputs."""
    draft = plans.native(bundles.image())
    (golden,) = draft.variant["golden"]
    inputs = golden_inputs(parse_bundle(draft.pack()))
    model = strop_native().Model(draft.files[draft.variant["file"]])
    draft.put(golden, bundles.npy(model.predict(inputs)))
    return draft.pack()


def write(folder: Path, bundle: Bundle, samples: int = bundles.SAMPLES) -> Path:
    """Write the C of the bundle's plan, with its first golden samples, and return the folder."""
    variant = bundle.manifest.variants[0]
    inputs, outputs = np.asarray(golden_inputs(bundle)), proven_outputs(bundle, variant)
    golden = Golden([inputs[:samples]], [output[:samples] for output in outputs])
    return kit.write(folder, bundle.read(variant), bundle.manifest.name, golden)
