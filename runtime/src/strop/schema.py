"""Reading `manifest.json`: strict both ways.

A missing field, an unknown field or a value of another type is a BundleError that names the field,
so that a manifest from a newer schema is refused rather than half understood.
"""

from __future__ import annotations

import functools
import math
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ForwardRef, Union, get_args, get_origin, get_type_hints

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

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Callable

# A manifest of ours is some 10 kB. The limit keeps a hostile one from filling a board's memory
# once parsed (Python objects are about ten times the size of their JSON).
MAX_MANIFEST_BYTES = 4 * 2**20
_HEX = frozenset("0123456789abcdef")
MAX_NUMBER = 1e300  # far above any figure, and far from where a float ends
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


def read(kind: Any, value: Any, where: str) -> Any:
    """Turn parsed JSON into `kind`, a type built of classes of fields, tuples, dicts and scalars.

    Such a class is a Struct, a NamedTuple or a dataclass.

    Raises:
        BundleError: a field is missing, unknown, or of another type; the message names it.
    """
    return _reader(kind)(value, where)


@functools.cache
def _reader(kind: Any) -> Callable[[Any, str], Any]:
    """What reads values of a type, found out once: (value, where it stands) -> what it is."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    if hasattr(kind, "__annotations__"):
        return _class_reader(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (inner,) = (_reader(argument) for argument in arguments if argument is not NoneType)
        return lambda value, where: None if value is None else inner(value, where)
    if origin is tuple:
        return _tuple_reader(arguments)
    if origin is dict:
        return _dict_reader(_reader(arguments[1]))
    raise TypeError(f"{kind} is no type that is read")


def _text(value: Any, where: str) -> str:
    if type(value) is not str:
        raise _wrong(value, "str", where)
    if not is_printable(value):  # it may end on a terminal
        raise BundleError(f"{where}: {value!r} holds characters that cannot be printed")
    return value


def _integer(value: Any, where: str) -> int:
    if type(value) is not int:
        raise _wrong(value, "int", where)
    return value


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float):
        raise _wrong(value, "float", where)
    if not abs(value) < MAX_NUMBER:
        raise _too_large(where)
    return float(value)


def _anything(value: Any, where: str) -> Any:
    if not _is_finite(value):
        raise _too_large(where)
    return value


_SCALARS: dict[Any, Callable[[Any, str], Any]] = {
    str: _text,
    int: _integer,
    float: _number,
    Any: _anything,
}


def _class_reader(kind: Any) -> Callable[[Any, str], Any]:
    hints: dict[str, Any] = kind.__annotations__
    if any(isinstance(hint, str | ForwardRef) for hint in hints.values()):
        hints = get_type_hints(kind)  # they are types already in the classes of an app's start
    readers = {name: _reader(hint) for name, hint in hints.items()}

    def read_fields(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(value, "an object", where)
        for name in value.keys() - readers.keys():
            raise BundleError(f"{where}: unknown field {name!r}")
        for name in readers.keys() - value.keys():
            raise BundleError(f"{where}: field {name!r} is missing")
        fields = {name: reader(value[name], f"{where}.{name}") for name, reader in readers.items()}
        return kind(**fields)

    return read_fields


def _tuple_reader(kinds: tuple[Any, ...]) -> Callable[[Any, str], Any]:
    of_one_kind = kinds[-1] is Ellipsis
    readers = [_reader(kind) for kind in kinds if kind is not Ellipsis]

    def read_items(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong(value, "tuple", where)
        if not of_one_kind and len(value) != len(readers):
            raise BundleError(f"{where}: {len(value)} values instead of {len(readers)}")
        pairs = zip(readers * len(value) if of_one_kind else readers, value, strict=True)
        return tuple([reader(item, f"{where}[{i}]") for i, (reader, item) in enumerate(pairs)])

    return read_items


def _dict_reader(reader: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read_values(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "dict", where)
        return {
            key: reader(item, f"{where}.{key if is_printable(key) else ascii(key)}")
            for key, item in value.items()
        }

    return read_values


def _is_finite(value: Any) -> bool:
    """Whether parsed JSON can be written again: 1e999 is read as infinity, which JSON has not."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _wrong(value: Any, wanted: str, where: str) -> BundleError:
    return BundleError(f"{where}: {type(value).__name__} instead of {wanted}")


def _too_large(where: str) -> BundleError:
    return BundleError(f"{where}: a number too large to be one")


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
