"""The releases of a simulated fleet: small signed bundles, good and bad ones."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from strop.bundle import archive
from strop.bundle.file import SIGNATURE
from strop.bundle.signing import sign
from tests import bundles

_HIDDEN = 4096  # units: the weights are 300 kB, of which the head has 48 kB
_PIXELS, _CLASSES = 16, len(bundles.LABELS)


def good(version: int) -> bundles.Draft:
    """A model that gives its proven outputs."""
    return bundles.image(seed=version, model_version=version)


def wrong(version: int) -> bundles.Draft:
    """A model that gives other outputs than those proven."""
    draft = good(version)
    (golden,) = draft.variant["golden"]
    outputs = bundles.answer(draft, _inputs(draft)).astype(np.float32)
    draft.put(golden, bundles.npy(outputs[::-1].copy()))
    return draft


def retrained(version: int) -> bundles.Draft:
    """A model of 300 kB whose body is that of every version, and whose head is its own."""
    draft = good(version)
    head = np.random.default_rng(version)
    kernel, bias = _normal(head, _HIDDEN, _CLASSES), _normal(head, _CLASSES)
    weights = bundles.weights_npz([(*_body(), "relu"), (kernel, bias, "softmax")], scale=1 / 255)
    draft.put(draft.variant, weights)
    outputs = bundles.npy(bundles.answer(draft, _inputs(draft)).astype(np.float32))
    (golden,) = draft.variant["golden"]
    (keras,) = draft.content["golden"]["keras"]
    draft.put(golden, outputs)
    draft.put(keras, outputs)
    return draft


def signed(draft: bundles.Draft, key: Ed25519PrivateKey) -> bytes:
    """Pack a draft with a signature, as `strop sign` does."""
    manifest = draft.manifest()
    members = {archive.MANIFEST: manifest, SIGNATURE: sign(manifest, key), **draft.files}
    return archive.pack(members)


def _inputs(draft: bundles.Draft) -> NDArray[np.uint8]:
    """The golden inputs, uint8 (samples, 4, 4)."""
    (ref,) = draft.content["golden"]["inputs"]
    inputs: NDArray[np.uint8] = np.load(io.BytesIO(draft.files[ref["file"]]))
    return inputs


@cache
def _body() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The kernel, float32 (pixels, hidden), and the bias, float32 (hidden,)."""
    random = np.random.default_rng(0)
    return _normal(random, _PIXELS, _HIDDEN), _normal(random, _HIDDEN)


def _normal(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Weights that do not compress, float32 of a shape."""
    return (random.normal(size=shape) / 64).astype(np.float32)
