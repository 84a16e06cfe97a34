"""Settings in TOML, read strictly into named tuples: each key known, of its type, and there."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

from strop.bundle.files import read_file
from strop.bundle.records import read
from strop.errors import BundleError, InputError, printable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 64 * 2**10  # of a file of settings


def read_toml(path: str) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: it cannot be read, is larger than 64 KiB, or is not TOML.
    """
    shown = printable(path)
    try:
        content, _ = read_file(path, MAX_BYTES)
        return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {shown}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # of UTF-8, or of TOML
        raise InputError(f"{shown} is not TOML: {error}") from None


def fields(kind: Any, table: dict[str, Any], where: str) -> Any:
    """Turn a table into a NamedTuple; a key that is left out has the field's default.

    Args:
        kind: the NamedTuple.
        table: parsed TOML.
        where: what the table is, for messages: "plan.toml".

    Raises:
        InputError: a key is unknown, missing, or of another type; the message names it.
    """
    known: tuple[str, ...] = kind._fields
    defaults: dict[str, Any] = kind._field_defaults
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise InputError(f"{where} has an unknown key {name!r}", hint)
    for name in known:
        if name not in table and name not in defaults:
            raise InputError(f"{where} lacks the key {name}", f"add {name} = ..")
    try:
        given = read(kind, {**_plain(defaults), **table}, where)
    except BundleError as error:
        raise InputError(error.problem) from None
    left_out = {name: default for name, default in defaults.items() if name not in table}
    return given._replace(**left_out)


def beside(path: str, file: str) -> str:
    """Return a path that a file of settings names: relative to the file's own folder.

    Args:
        path: the file of settings.
        file: the path in it.
    """
    return str(Path(path).absolute().parent / file)


def _plain(defaults: dict[str, Any]) -> dict[str, Any]:
    """Return defaults as parsed TOML would have them."""
    return {
        name: list(default) if isinstance(default, tuple) else default
        for name, default in defaults.items()
    }
