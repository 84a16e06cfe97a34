"""Files that the commands write for the user."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from strop import durable
from strop.errors import InputError


def require_other(path: str, inputs: Iterable[str]) -> None:
    """Refuse to write over one of the files that are read.

    Raises:
        InputError: the path leads to one of them.
    """
    if any(_is_same(Path(path), given) for given in inputs):
        raise InputError(f"{path} is an input, and would be overwritten", "choose another name")


def _is_same(path: Path, other: str) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False


def save(path: str, data: bytes) -> None:
    """Write a file whole or not at all, so that a full disk leaves no half file.

    Raises:
        InputError: it cannot be written.
    """
    try:
        durable.require_file(path)
        durable.write(path, data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
