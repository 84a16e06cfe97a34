"""Reading `manifest.json`: strict both ways.

A missing field, an unknown field or a value of another type is a BundleError that names the field,
so that a manifest from a newer schema is refused rather than half understood.
"""

from __future__ import annotations

import functools
import math
from types import NoneType, UnionType
from typing import Any, ForwardRef, Union, get_args, get_origin, get_type_hints

from strop.errors import BundleError
from strop.manifest import (
    DEVICES,
    DTYPES,
    FORMATS,
    PRECISIONS,
    SCHEMA,
    FileTensor,
    Manifest,
    is_name,
    is_printable,
)
from strop.strict_json import decode
from strop.versions import is_release

# A manifest of ours is some 10 kB. The limit keeps a hostile one from filling a board's memory
# once parsed (Python objects are about ten times the size of their JSON).
MAX_MANIFEST_BYTES = 4 * 2**20
_HEX = frozenset("0123456789abcdef")
MAX_ELEMENTS = 2**26  # values in one sample, 256 MiB as float32


def parse(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: not JSON, too large, another schema version, or a field that is missing,
            unknown, of another type or out of range; the message names the field.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise BundleError(f"the manifest has {len(data)} bytes, at most {MAX_MANIFEST_BYTES}")
    content = decode(data, "the manifest")
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA or isinstance(schema, bool):
        raise BundleError(
            f"the bundle has schema {schema!r}, this strop reads {SCHEMA}: "
            "install the strop wheel that came with the bundle"
        )
    manifest: Manifest = read(Manifest, content, "manifest")
    _check(manifest)
    return manifest


def _is_finite(value: Any) -> bool:
    """Whether parsed JSON can be written again: 1e999 is read as infinity, which JSON has not."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def read(kind: Any, value: Any, where: str) -> Any:
    """Turn parsed JSON into `kind`, a type built of classes of fields, tuples, dicts and scalars.

    Such a class is a Struct, a NamedTuple or a dataclass.

    Raises:
        BundleError: a field is missing, unknown, or of another type; the message names it.
    """
    if kind is str and type(value) is str:
        if not is_printable(value):  # it may end on a terminal
            raise BundleError(f"{where}: {value!r} holds characters that cannot be printed")
        return value
    if kind is int and type(value) is int:
        return value
    if kind is float and type(value) in (int, float):
        number = float(value) if abs(value) < 1e300 else math.inf
        if math.isfinite(number):
            return number
    if kind is Any:
        if not _is_finite(value):
            raise BundleError(f"{where}: a number too large to be one")
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return read(inner, value, where)
    if hasattr(kind, "__annotations__"):
        return _read_fields(kind, value, where)
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is not Ellipsis and len(arguments) != len(value):
            raise BundleError(f"{where}: {len(value)} values instead of {len(arguments)}")
        kinds = arguments if arguments[-1] is not Ellipsis else (arguments[0],) * len(value)
        pairs = zip(kinds, value, strict=True)
        return tuple(read(inner, item, f"{where}[{i}]") for i, (inner, item) in enumerate(pairs))
    if origin is dict and isinstance(value, dict):
        inner = arguments[1]
        return {
            key: read(inner, item, f"{where}.{key if is_printable(key) else ascii(key)}")
            for key, item in value.items()
        }
    expected = getattr(origin or kind, "__name__", kind)
    raise BundleError(f"{where}: {type(value).__name__} instead of {expected}")


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise BundleError(f"{where}: {type(value).__name__} instead of an object")
    fields = _fields(kind)
    for name in value.keys() - fields.keys():
        raise BundleError(f"{where}: unknown field {name!r}")
    for name in fields.keys() - value.keys():
        raise BundleError(f"{where}: field {name!r} is missing")
    return kind(**{name: read(fields[name], value[name], f"{where}.{name}") for name in fields})


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    """Names and types of a class's fields."""
    hints: dict[str, Any] = kind.__annotations__
    if any(isinstance(hint, str | ForwardRef) for hint in hints.values()):
        return get_type_hints(kind)
    return hints  # types already, in the classes that an app's start reads


def _check(manifest: Manifest) -> None:
    """What types cannot say."""

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


def is_sha256(text: str) -> bool:
    """Whether it is written as `strop.digest` writes one."""
    return len(text) == 64 and set(text) <= _HEX


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and is_release(value)


def _is_shape(shape: tuple[int | None, ...]) -> bool:
    """A batch axis, free or of one sample, then at least one fixed size."""
    free, *fixed = shape or (0,)
    sizes = [size for size in fixed if size is not None and size > 0]
    return free in (None, 1) and 0 < len(fixed) == len(sizes) and math.prod(sizes) <= MAX_ELEMENTS
