"""JSON, with nothing in it that two readers could take for two things."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from strop.errors import BundleError

MAX_DEPTH = 32  # objects and lists inside each other; the fields of a manifest use six
_WHITESPACE = " \t\n\r"
_NESTS = (dict, list)


def decode(data: bytes, what: str) -> Any:
    """JSON as Python values.

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
        raise BundleError(f"{what} is not JSON: {error}") from None
    if text[end:].strip(_WHITESPACE):
        raise BundleError(f"{what} is not JSON: it goes on after its end, at character {end}")
    if not _is_shallow(content, MAX_DEPTH):
        raise BundleError(f"{what} is nested more than {MAX_DEPTH} levels deep")
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return content


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _is_shallow(value: Any, levels: int) -> bool:
    """Whether parsed JSON is nested at most so deep: deeper, and writing it again would fail."""
    if not isinstance(value, _NESTS):
        return True
    items = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(
        _is_shallow(item, levels - 1) for item in items if isinstance(item, _NESTS)
    )


def _scanner() -> Any:
    """What `json.loads` is built on, (text, start) -> (value, end), without the rest of `json`.

    That takes an app a millisecond to import, most of it for writing, of which there is none at its
    start (docs/decisions/0016-hot-path.md).
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
