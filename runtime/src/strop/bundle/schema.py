"""The rules of `manifest.json` that its types cannot express."""

from __future__ import annotations

import math
from typing import Any

from strop.bundle.digest import is_sha256
from strop.bundle.manifest import (
    DEVICES,
    DTYPES,
    FORMATS,
    KINDS,
    PRECISIONS,
    ROUNDINGS,
    SCHEMA,
    STRUCTURES,
    FileTensor,
    Histogram,
    InputSpec,
    Manifest,
    OutputSpec,
    Variant,
    is_name,
    is_printable,
)
from strop.bundle.pictures import is_picture
from strop.bundle.records import MAX_NUMBER, read_record
from strop.errors import BundleError, printable
from strop.versions import is_release

# A manifest of ours is some 10 kB. The limit keeps a hostile one from filling a board's memory
# once parsed (Python objects are about ten times the size of their JSON).
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_ELEMENTS = 2**26  # values in one sample, 256 MiB as float32
MAX_TENSORS = 64  # inputs, and outputs
DECILES = 11
MAX_FIGURES = 18  # that an input or output has a histogram of
MAX_INPUT_FIGURES = 64  # of all inputs together
MAX_EDGES = 9
MAX_CLASSES = 1000  # that are counted one by one
MAX_COUNT = 2**53 - 1  # the largest integer that every reader of JSON has
CLASS = "class"  # the figure that has a bin for each class


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
        mend="install the strop wheel that came with the bundle, or export the model again with "
        "this one: make export",
    )
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    """Check the rules that types cannot express."""
    _need(is_name(manifest.name), f"name {manifest.name!r} is not a valid name")
    _need(is_name(manifest.target), f"target {manifest.target!r} is not a valid name")
    _need(manifest.model_version >= 0, "model_version is negative")
    _need(manifest.structure in STRUCTURES, f"unknown structure {manifest.structure!r}")
    for what, specs in (("inputs", manifest.inputs), ("outputs", manifest.outputs)):
        _need(0 < len(specs) <= MAX_TENSORS, f"{len(specs)} {what}")
        _need(len({spec.name for spec in specs}) == len(specs), f"two {what} have one name")
    measured = sum(len(spec.profile) for spec in manifest.inputs)
    _need(measured <= MAX_INPUT_FIGURES, f"bad profile: {measured} figures of inputs")
    many = manifest.structure != "one"
    _need(many or len(manifest.outputs) == 1, "structure 'one' has several outputs")
    for source in manifest.inputs:
        _check_input(source)
    for output in manifest.outputs:
        _check_output(output)
    _need(bool(manifest.variants), "there are no variants")
    engines = set(manifest.engines)  # once: a hostile manifest has many of them, and many variants
    _need(len(engines) == len(manifest.engines), "an engine is listed twice")
    golden = manifest.golden
    _need(golden.samples > 0, "there are no golden samples")
    _need(len(golden.inputs) == len(manifest.inputs), "not one golden array for each input")
    _need(len(golden.keras) == len(manifest.outputs), "not one Keras array for each output")
    files = [ref.file for ref in manifest.files()]
    _need(len(set(files)) == len(files), "a file is listed twice")
    for ref in manifest.files():
        _need(is_sha256(ref.sha256), f"{ref.file}: bad sha256")
        _need(ref.bytes >= 0, f"{ref.file}: negative size")
    for variant in manifest.variants:
        _check_variant(variant, manifest, engines)


def _need(true: bool, what: str) -> None:
    if not true:
        raise BundleError(f"manifest: {printable(what)}")


def _check_tensor(spec: InputSpec | OutputSpec) -> None:
    _need(spec.dtype in DTYPES, f"{spec.name}: unknown dtype {spec.dtype!r}")
    _need(_is_shape(spec.shape) and spec.shape[0] is None, f"{spec.name}: bad shape")
    _need(not spec.range or spec.range[0] <= spec.range[1], f"{spec.name}: bad range")


def _check_input(spec: InputSpec) -> None:
    _check_tensor(spec)
    own = math.prod(size or 1 for size in spec.shape[1:])
    _need(len(spec.statistics) in (0, 1, own), f"{spec.name}: bad statistics")
    for known in spec.statistics:
        steps = zip(known.deciles, known.deciles[1:], strict=False)
        sound = known.samples > 0 and known.std >= 0 and len(known.deciles) == DECILES
        _need(sound and all(a <= b for a, b in steps), f"{spec.name}: bad statistics")
    if spec.picture:
        _need(is_picture(spec.picture, spec), f"{spec.name}: bad picture steps")
    _check_profile(spec, 0)


def _check_output(spec: OutputSpec) -> None:
    _check_tensor(spec)
    _need(spec.kind in KINDS, f"{spec.name}: unknown kind {spec.kind!r}")
    last = spec.shape[-1] if len(spec.shape) > 1 else 1
    classes = 2 if last == 1 and spec.kind in ("binary", "segmentation") else last
    _need(len(spec.labels) in (0, classes), f"{spec.name}: bad labels")
    _need(len(set(spec.labels)) == len(spec.labels), f"{spec.name}: a label is there twice")
    by_threshold = spec.kind in ("binary", "multilabel") or (
        spec.kind == "segmentation" and last == 1
    )
    _need((spec.threshold is not None) == by_threshold, f"{spec.name}: bad threshold")
    rank = len(spec.shape) - 1
    sound = {
        "class": rank == 1 and last != 1,
        "binary": last == 1 and rank <= 1,
        "multilabel": rank == 1,
        "segmentation": rank > 1,
    }
    _need(sound.get(spec.kind, True), f"{spec.name}: {spec.kind} of shape {spec.shape}")
    may_be_integers = spec.kind == "raw"
    _need(spec.dtype == "float32" or may_be_integers, f"{spec.name}: {spec.kind} is float32")
    _need(not spec.logits or spec.kind not in ("regression", "raw"), f"{spec.name}: bad logits")
    _check_profile(spec, classes or 0 if spec.kind in ("class", "binary") else 0)


def _check_profile(spec: InputSpec | OutputSpec, classes: int) -> None:
    """Check the histograms of an input or output: each is of the same samples.

    Args:
        spec: the input or output.
        classes: that it decides between; 0: it decides for no class.
    """
    profile = spec.profile
    samples = {sum(histogram.counts) for histogram in profile}
    _need(
        len(profile) <= MAX_FIGURES
        and len({histogram.figure for histogram in profile}) == len(profile)
        and len(samples) <= 1
        and 0 not in samples
        and all(_is_histogram(histogram, classes) for histogram in profile),
        f"{spec.name}: bad profile",
    )


def _is_histogram(histogram: Histogram, classes: int) -> bool:
    edges, counts = histogram.edges, histogram.counts
    if not 0 <= min(counts, default=-1) <= max(counts, default=0) <= MAX_COUNT:
        return False
    if histogram.figure == CLASS:
        return not edges and len(counts) == classes <= MAX_CLASSES
    ascending = [*edges] == sorted({*edges})
    return 1 <= len(edges) <= MAX_EDGES and ascending and len(counts) == len(edges) + 1


def _check_variant(variant: Variant, manifest: Manifest, engines: set[str]) -> None:
    name = variant.file
    _need(variant.format in FORMATS, f"{name}: unknown format {variant.format!r}")
    _need(variant.precision in PRECISIONS, f"{name}: bad precision")
    _need(variant.rounding in (None, *ROUNDINGS), f"{name}: unknown rounding")
    _need(variant.rounding is None or variant.format == "plan", f"{name}: only a plan has rounding")
    made_for = set(variant.devices)
    sound = "cpu" in made_for <= set(DEVICES) and len(made_for) == len(variant.devices)
    _need(sound, f"{name}: bad devices")
    _need(bool(variant.proofs), f"{name}: proven on no engine")
    _need(set(variant.engines) <= engines, f"{name}: unlisted engine")
    places = {(proof.engine, proof.device) for proof in variant.proofs}
    _need(len(places) == len(variant.proofs), f"{name}: proven twice")
    floors = variant.requires.get("engines", {})
    sound = isinstance(floors, dict) and all(map(_is_version, floors.values()))
    _need(sound, f"{name}: requires.engines has a value that is not a version")
    _need(len(variant.golden) == len(manifest.outputs), f"{name}: not one golden for each output")
    for golden, output in zip(variant.golden, manifest.outputs, strict=True):
        last = output.shape[-1] if len(output.shape) > 1 else 1
        sound = len(golden.tolerance) in (1, last) and min(golden.tolerance, default=-1) >= 0
        _need(sound, f"{golden.file}: bad tolerance")
    for proof in variant.proofs:
        where = f"{name} on {proof.engine}"
        _need(proof.samples >= 0, f"{where}: negative samples")
        _need(len(proof.outputs) == len(manifest.outputs), f"{where}: not one for each output")
        for judged in proof.outputs:
            sound = all(map(is_printable, (*judged.figures, *judged.bounds)))
            _need(sound and all(map(_is_figure, judged.figures.values())), f"{where}: bad figures")
        _need(proof.device in made_for, f"{name}: not made for {proof.device!r}")
        named = bool(proof.adapter) == (proof.device == "gpu")
        _need(named, f"{name}: bad adapter for {proof.engine}")
    sides: tuple[tuple[str, tuple[InputSpec | OutputSpec, ...]], ...] = (
        ("inputs", manifest.inputs),
        ("outputs", manifest.outputs),
    )
    for side, specs in sides:
        tensors: tuple[FileTensor, ...] = getattr(variant, side)
        _need(len(tensors) == len(specs), f"{name}: {len(tensors)} {side}")
        _need(len({t.name for t in tensors}) == len(tensors), f"{name}: two {side} of one name")
        for tensor, spec in zip(tensors, specs, strict=True):
            _need(tensor.dtype in DTYPES, f"{name}: unknown dtype {tensor.dtype!r}")
            _need(_is_shape(tensor.shape), f"{name}: bad shape")
            _need(tensor.shape[1:] == spec.shape[1:], f"{name}: another shape")
            # Integers may become floats on their way in; anything else would cut values off.
            kept = tensor.dtype == spec.dtype
            widened = side == "inputs" and tensor.dtype == "float32" and spec.dtype != "int64"
            _need(kept or widened, f"{name}: {tensor.dtype} instead of {spec.dtype}")
    batches = {tensor.shape[0] for tensor in (*variant.inputs, *variant.outputs)}
    _need(len(batches) == 1, f"{name}: tensors of different batches")


def _is_figure(value: Any) -> bool:
    """Tell whether a figure is a number, a list of numbers, a printable text or None."""
    if type(value) is str:
        return is_printable(value)
    items = value if isinstance(value, list) else [] if value is None else [value]
    return all(type(item) in (int, float) and abs(item) < MAX_NUMBER for item in items)


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and is_release(value)


def _is_shape(shape: tuple[int | None, ...]) -> bool:
    """Tell whether a shape is a batch axis, free or of one sample, then fixed sizes, if any.

    One sample has at most `MAX_ELEMENTS` values.
    """
    free, *fixed = shape or (0,)
    sizes = [size for size in fixed if size is not None and size > 0]
    return free in (None, 1) and len(fixed) == len(sizes) and math.prod(sizes) <= MAX_ELEMENTS
