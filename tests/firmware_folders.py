"""A small bundle with a plan, and the folder of C for microcontrollers that is made of that plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from strop.bundle.file import Bundle, parse_bundle
from strop.diagnostics.replay import golden_inputs, proven_outputs
from strop_export.firmware.folder import Golden, files
from tests import bundles, plans
from tests.needs import strop_native


def bundle() -> Bundle:
    """A classifier of small pictures; the native engine gave the proven outputs, bit by bit."""
    draft = plans.native(bundles.image())
    (golden,) = draft.variant["golden"]
    inputs = golden_inputs(parse_bundle(draft.pack()))
    model = strop_native().Model(draft.files[draft.variant["file"]])
    draft.put(golden, bundles.npy(model.predict(inputs)))
    return parse_bundle(draft.pack())


def write_folder(folder: Path, proven: Bundle, samples: int = bundles.SAMPLES) -> None:
    """Write the folder that export would write for `bundle`.

    Args:
        folder: where to; its parents are made.
        proven: what `bundle` returned.
        samples: how many golden samples are compiled in.
    """
    variant = proven.manifest.variants[0]
    inputs, outputs = golden_inputs(proven), proven_outputs(proven, variant)
    golden = Golden(
        [np.asarray(inputs)[:samples]],
        [output[:samples] for output in outputs],
    )
    made = files(
        plans.network_of(bundles.image()),
        proven.read(variant),
        proven.manifest.name,
        None,
        golden,
    )
    for name, content in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
