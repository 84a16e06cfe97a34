"""Small complete bundles of one variant each, and the places to change in their members."""

from __future__ import annotations

import json

import numpy as np

from strop.bundle import archive
from strop.bundle.archive import MANIFEST
from strop.diagnostics import probe_models
from tests import bundles
from tests import probe_models as recipe
from tests.fuzz import mutants
from tests.fuzz.mutants import Seed

ENGINES = {"plan": "native", "tflite": "litert", "onnx": "onnx", "weights": "reference"}
_PLACES = {
    "plan": mutants.plan_places,
    "tflite": mutants.flatbuffer_places,
    "onnx": mutants.protobuf_places,
    "npz": mutants.zip_places,
    "npy": mutants.npy_places,
}


def probe(format: str) -> bundles.Draft:
    """The doctor's model as a bundle: as small as a model can be, so that every byte counts."""
    draft = bundles.vector()
    random = np.random.default_rng(5)
    samples = random.integers(-8, 9, (bundles.SAMPLES, recipe.INPUTS)).astype(np.float32)
    answers = samples @ recipe.KERNEL + recipe.BIAS  # exact: small whole numbers
    draft.content["inputs"][0]["shape"] = [None, recipe.INPUTS]
    draft.content["outputs"][0].update(shape=[None, recipe.OUTPUTS], range=None)
    golden = draft.content["golden"]
    draft.put(golden["inputs"][0], bundles.npy(samples))
    draft.put(golden["keras"][0], bundles.npy(answers))
    del draft.files[draft.variant["file"]]
    extension = "npz" if format == "weights" else format
    draft.variant.update(file=f"variants/probe.{extension}", format=format)
    data, variant = probe_models.model(format)
    for side in ("inputs", "outputs"):
        (tensor,) = getattr(variant, side)
        draft.variant[side][0].update(name=tensor.name, shape=[None, *tensor.shape[1:]])
    draft.put(draft.variant, data)
    draft.put(draft.variant["golden"][0], bundles.npy(answers))
    draft.content["engines"] = [ENGINES[format]]
    draft.variant["proofs"][0]["engine"] = ENGINES[format]
    return draft


def part(data: bytes, file: str, engine: str) -> bundles.Draft:
    """One variant of a bundle as a separate bundle, proven on one engine and for the CPU."""
    members = {name: bytes(content) for name, content in archive.unpack(data).items()}
    content = json.loads(members.pop(MANIFEST))
    (variant,) = (v for v in content["variants"] if v["file"] == file)
    variant["proofs"] = [
        p for p in variant["proofs"] if (p["engine"], p["device"]) == (engine, "cpu")
    ]
    content.update(variants=[variant], engines=[engine])
    golden = content["golden"]
    kept = (variant, *variant["golden"], *golden["inputs"], *golden["keras"])
    return bundles.Draft(content, {ref["file"]: members[ref["file"]] for ref in kept})


def member(draft: bundles.Draft, name: str) -> Seed:
    """A member of a draft, its manifest included."""
    if name == MANIFEST:
        return Seed(name, draft.manifest(), is_json=True)
    data = draft.files[name]
    find = _PLACES.get(name.rpartition(".")[2])
    return Seed(name, data, find(data) if find else ())


def whole(draft: bundles.Draft) -> Seed:
    """The file, with places in every header and member."""
    data = draft.pack()
    places = mutants.zip_places(data)
    for name in (MANIFEST, *draft.files):
        found = member(draft, name)
        start = data.index(found.data)
        places += [(start + at, size) for at, size in found.places]
    return Seed(draft.content["name"], data, places)
