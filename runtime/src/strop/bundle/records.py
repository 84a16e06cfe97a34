"""JSON records: strict JSON to typed fields, with nothing that two readers could take differently.

A missing field, an unknown field or a value of another type is a BundleError that names the field,
so that a record of a newer schema is refused rather than half understood. The fields that a struct
calls optional may be missing, and are never there and empty: a record has one form.
"""

from __future__ import annotations

import functools
import math
from types import NoneType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, ForwardRef, Union, get_args, get_origin, get_type_hints

from strop.bundle.manifest import is_printable
from strop.errors import BundleError, printable

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Callable

MAX_NUMBER = 1e300  # far above any figure, and far from where a float ends
MAX_DEPTH = 32  # objects and lists inside each other; the fields of a manifest use nine
_WHITESPACE = " \t\n\r"
_NESTS = (dict, list)


def read_record(
    kind: Any, data: bytes, what: str, *, schema: int, max_bytes: int, mend: str
) -> Any:
    """Read a JSON object whose field `schema` says which version of its fields it has.

    Args:
        kind: the class of fields to make of it; one of them is `schema`.
        data: the JSON, in UTF-8.
        what: what the data are, for messages: "the manifest".
        schema: the one version that is read.
        max_bytes: the largest size that is looked at.
        mend: what to do about another version.

    Returns:
        An instance of `kind`.

    Raises:
        BundleError: the data are too large, not strict JSON, of another schema version, or a field
            is missing, unknown or of another type; the message says which.
    """
    if len(data) > max_bytes:
        raise BundleError(f"{what} has more than {max_bytes} bytes")
    content = decode(data, what)
    version = content.get("schema") if isinstance(content, dict) else None
    if version != schema or isinstance(version, bool):
        raise BundleError(f"{what} has schema {version!r}; this strop reads {schema}", mend)
    return read(kind, content, what.removeprefix("the "))


def decode(data: bytes, what: str) -> Any:
    """Parse strict JSON into Python values.

    Args:
        data: the JSON, in UTF-8.
        what: what the data are, for messages: "the manifest".

    Raises:
        BundleError: not JSON in UTF-8, a key twice in an object, NaN or infinity, or nested more
            than `MAX_DEPTH` levels deep; the message starts with `what`.
    """
    try:
        text = data.decode("utf-8")  # json would also take UTF-16 and -32
        content, end = _scan(text, len(text) - len(text.lstrip(_WHITESPACE)))
    except StopIteration as error:
        raise BundleError(f"{what} is not JSON: no value at character {error.value}") from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{what} is not JSON: {printable(str(error))}") from None
    if text[end:].strip(_WHITESPACE):
        raise BundleError(f"{what} is not JSON: there is text after its end, at character {end}")
    if not _is_shallow(content, MAX_DEPTH):
        raise BundleError(f"{what} is nested more than {MAX_DEPTH} levels deep")
    return content


def read(kind: Any, value: Any, where: str) -> Any:
    """Turn parsed JSON into `kind`, a type built of classes of fields, tuples, dicts and scalars.

    Such a class is a Struct, a NamedTuple or a dataclass.

    Args:
        kind: the type to make.
        value: the parsed JSON.
        where: what the value is, for messages: "manifest".

    Raises:
        BundleError: a field is missing, unknown, or of another type; the message names it.
    """
    return _reader(kind)(value, where)


@functools.cache
def _reader(kind: Any) -> Callable[[Any, str], Any]:
    """Make the reader of a type's values, once for each type: (value, its place) -> typed value."""
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
    raise TypeError(f"{kind} is not a type that records have")


def _text(value: Any, where: str) -> str:
    if type(value) is not str:
        raise _wrong(value, "str", where)
    if not is_printable(value):  # it may end on a terminal
        raise _bad(where, f"{value!r} holds characters that cannot be printed")
    return value


def _truth(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise _wrong(value, "bool", where)
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
    bool: _truth,
    int: _integer,
    float: _number,
    Any: _anything,
}


def _class_reader(kind: Any) -> Callable[[Any, str], Any]:
    hints: dict[str, Any] = kind.__annotations__
    if any(isinstance(hint, str | ForwardRef) for hint in hints.values()):
        hints = get_type_hints(kind)  # they are types already in the classes of an app's start
    readers = {name: _reader(hint) for name, hint in hints.items()}
    optional: tuple[str, ...] = getattr(kind, "OPTIONAL", ())

    def read_fields(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(value, "an object", where)
        if value.keys() == readers.keys():  # as nearly always, and found out in no time
            here = readers
        else:
            for name in value.keys() - readers.keys():
                raise _bad(where, f"unknown field {name!r}")
            for name in readers.keys() - value.keys() - {*optional}:
                raise _bad(where, f"field {name!r} is missing")
            here = {name: reader for name, reader in readers.items() if name in value}
        fields = {name: reader(value[name], f"{where}.{name}") for name, reader in here.items()}
        for name in optional:
            if name in fields and not fields[name]:
                raise _bad(f"{where}.{name}", "it is there, but empty")
        return kind(**fields)

    return read_fields


def _tuple_reader(kinds: tuple[Any, ...]) -> Callable[[Any, str], Any]:
    of_one_kind = kinds[-1] is Ellipsis
    numbers = of_one_kind and kinds[0] in (int, float)
    readers = [_reader(kind) for kind in kinds if kind is not Ellipsis]

    def read_items(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong(value, "tuple", where)
        if not of_one_kind and len(value) != len(readers):
            raise _bad(where, f"{len(value)} values instead of {len(readers)}")
        if numbers and (quick := _numbers(kinds[0], value)) is not None:
            return quick
        pairs = zip(readers * len(value) if of_one_kind else readers, value, strict=True)
        return tuple([reader(item, f"{where}[{i}]") for i, (reader, item) in enumerate(pairs)])

    return read_items


def _numbers(kind: Any, value: list[Any]) -> tuple[Any, ...] | None:
    """Read a list of numbers at once, since a manifest has hundreds of them.

    Args:
        kind: int or float.
        value: the parsed JSON.

    Returns:
        None if one of them is not valid, for the slow way to name.
    """
    kinds = {*map(type, value)}
    if kind is int:
        return tuple(value) if kinds <= {int} else None
    sound = kinds <= {int, float} and (not value or -MAX_NUMBER < min(value) <= max(value))
    return tuple(map(float, value)) if sound and max(value, default=0) < MAX_NUMBER else None


def _dict_reader(reader: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read_values(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "dict", where)
        return {key: reader(item, f"{where}.{key}") for key, item in value.items()}

    return read_values


def _is_finite(value: Any) -> bool:
    """Tell whether parsed JSON can be written again.

    1e999 is read as infinity, which JSON does not have.
    """
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _wrong(value: Any, wanted: str, where: str) -> BundleError:
    return _bad(where, f"{type(value).__name__} instead of {wanted}")


def _too_large(where: str) -> BundleError:
    return _bad(where, "the number is too large")


def _bad(where: str, problem: str) -> BundleError:
    """Make the error for a value; its place and the problem may quote the file."""
    return BundleError(f"{printable(where)}: {printable(problem)}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is twice in an object")
    return content


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _is_shallow(value: Any, levels: int) -> bool:
    """Tell whether parsed JSON is nested at most so many levels deep.

    If it is deeper, writing it again would fail.
    """
    if type(value) not in _NESTS:
        return True
    if levels == 0:
        return False
    for item in value.values() if type(value) is dict else value:
        if type(item) in _NESTS and not _is_shallow(item, levels - 1):
            return False
    return True


def _scanner() -> Any:
    """Make the scanner that `json.loads` is built on: (text, start) -> (value, end).

    The rest of `json` is not imported. That would take an app a millisecond, most of it for
    writing, and an app writes no JSON at its start (docs/decisions/0016-hot-path.md).
    """
    rules: dict[str, Any] = {"object_pairs_hook": _object, "parse_constant": _no_constant}
    usual = {"strict": True, "object_hook": None, "parse_float": float, "parse_int": int}
    context: Any = SimpleNamespace(**usual, **rules, array_hook=None)  # that from 3.15 on
    try:
        from _json import make_scanner

        return make_scanner(context)
    except (ImportError, AttributeError):  # a Python without it, or one where it wants more
        from json import JSONDecoder

        decoder: Any = JSONDecoder(**rules)
        return decoder.scan_once


_scan = _scanner()
