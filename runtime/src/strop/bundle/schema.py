"""The rules of `manifest.json` that its types cannot express."""

from __future__ import annotations

import math
from typing import Any

from strop.bundle.digest import is_sha256
from strop.bundle.manifest import (
    DEVICES,
    DTYPES,
    FORMATS,
    PRECISIONS,
    SCHEMA,
    FileTensor,
    Manifest,
    is_name,
)
from strop.bundle.records import read_record
from strop.errors import BundleError
from strop.versions import is_release

# A manifest of ours is some 10 kB. The limit keeps a hostile one from filling a board's memory
# once parsed (Python objects are about ten times the size of their JSON).
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_ELEMENTS = 2**26  # values in one sample, 256 MiB as float32


def parse(data: bytes) -> Manifest:
    """Read a manifest.

    Args:
        data: the bytes of `manifest.json`.

    Raises:
        BundleError: not JSON, too large, another schema version, or a field that is missing,
            unknown, of another type or out of range; the message names the field.
    """
    manifest: Manifest = read_record(
        Manifest,
        data,
        "the manifest",
        schema=SCHEMA,
        max_bytes=MAX_MANIFEST_BYTES,
        mend="install the strop wheel that came with the bundle",
    )
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    """Check the rules that types cannot express."""

    def need(true: bool, what: str) -> None:
        if not true:
            raise BundleError(f"manifest: {what}")

    need(is_name(manifest.name), f"{manifest.name!r} is no model name")
    need(is_name(manifest.target), f"{manifest.target!r} is no target name")
    need(manifest.model_version >= 0, "model_version is negative")
    need(len(manifest.inputs) == 1, f"{len(manifest.inputs)} inputs; this strop runs one")
    need(len(manifest.outputs) == 1, f"{len(manifest.outputs)} outputs; this strop runs one")
    need(bool(manifest.variants), "there are no variants")
    for spec in (*manifest.inputs, *manifest.outputs):
        need(spec.dtype in DTYPES, f"{spec.name}: unknown dtype {spec.dtype!r}")
        need(_is_shape(spec.shape) and spec.shape[0] is None, f"{spec.name}: bad shape")
        need(not spec.labels or len(spec.labels) == spec.shape[-1], f"{spec.name}: bad labels")
        need(len(set(spec.labels)) == len(spec.labels), f"{spec.name}: a label stands twice")
        need(not spec.range or spec.range[0] <= spec.range[1], f"{spec.name}: bad range")
        if spec.image:
            need(spec.image.mode in ("L", "RGB"), f"{spec.name}: bad image mode")
            need(spec.image.background in ("dark", "any"), f"{spec.name}: bad image background")
            size = (spec.image.height, spec.image.width)
            shapes = (size, (*size, 1)) if spec.image.mode == "L" else ((*size, 3),)
            need(spec.shape[1:] in shapes and spec.dtype == "uint8", f"{spec.name}: bad image size")
    for spec in manifest.outputs:
        need(spec.dtype == "float32", f"{spec.name}: outputs are float32, not {spec.dtype}")
    engines = set(manifest.engines)  # once: a hostile manifest has many of them, and many variants
    need(len(engines) == len(manifest.engines), "an engine is listed twice")
    need(manifest.golden.samples > 0, "there are no golden samples")
    files = [ref.file for ref in manifest.files()]
    need(len(set(files)) == len(files), "a file is listed twice")
    for ref in manifest.files():
        need(is_sha256(ref.sha256), f"{ref.file}: bad sha256")
        need(ref.bytes >= 0, f"{ref.file}: negative size")
    for variant in manifest.variants:
        need(variant.format in FORMATS, f"{variant.file}: unknown format {variant.format!r}")
        need(variant.precision in PRECISIONS, f"{variant.file}: bad precision")
        made_for = set(variant.devices)
        sound = "cpu" in made_for <= set(DEVICES) and len(made_for) == len(variant.devices)
        need(sound, f"{variant.file}: bad devices")
        need(bool(variant.proofs), f"{variant.file}: proven on no engine")
        need(set(variant.engines) <= engines, f"{variant.file}: unlisted engine")
        places = {(proof.engine, proof.device) for proof in variant.proofs}
        need(len(places) == len(variant.proofs), f"{variant.file}: proven twice")
        need(variant.golden.tolerance >= 0, f"{variant.file}: negative tolerance")
        floors = variant.requires.get("engines", {})
        sound = isinstance(floors, dict) and all(map(_is_version, floors.values()))
        need(sound, f"{variant.file}: requires.engines holds what is no version")
        for proof in variant.proofs:
            counts = (proof.samples, proof.disagreements, proof.max_abs_error)
            shares = (proof.top1_agreement, proof.accuracy or 0.0)
            sound = min(counts) >= 0 and all(0 <= share <= 1 for share in shares)
            need(sound, f"{variant.file}: bad figures for {proof.engine}")
            need(proof.device in made_for, f"{variant.file}: not made for {proof.device!r}")
            named = bool(proof.adapter) == (proof.device == "gpu")
            need(named, f"{variant.file}: bad adapter for {proof.engine}")
        for side, specs in (("inputs", manifest.inputs), ("outputs", manifest.outputs)):
            tensors: tuple[FileTensor, ...] = getattr(variant, side)
            need(len(tensors) == len(specs), f"{variant.file}: {len(tensors)} {side}")
            for tensor, spec in zip(tensors, specs, strict=True):
                need(tensor.dtype in DTYPES, f"{variant.file}: unknown dtype {tensor.dtype!r}")
                need(_is_shape(tensor.shape), f"{variant.file}: bad shape")
                need(tensor.shape[1:] == spec.shape[1:], f"{variant.file}: another shape")
                # Bytes may become floats on their way in; anything else would cut values off.
                kept = tensor.dtype == spec.dtype
                widened = side == "inputs" and (spec.dtype, tensor.dtype) == ("uint8", "float32")
                need(kept or widened, f"{variant.file}: {tensor.dtype} instead of {spec.dtype}")


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and is_release(value)


def _is_shape(shape: tuple[int | None, ...]) -> bool:
    """Tell whether a shape is a batch axis, free or of one sample, then at least one fixed size.

    One sample has at most `MAX_ELEMENTS` values.
    """
    free, *fixed = shape or (0,)
    sizes = [size for size in fixed if size is not None and size > 0]
    return free in (None, 1) and 0 < len(fixed) == len(sizes) and math.prod(sizes) <= MAX_ELEMENTS
