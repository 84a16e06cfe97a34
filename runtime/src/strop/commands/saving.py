"""Files that the commands write for the user."""

from __future__ import annotations

from strop import durable
from strop.errors import InputError


def save(path: str, data: bytes) -> None:
    """Write a file whole or not at all, so that a full disk leaves no half file.

    Raises:
        InputError: it cannot be written.
    """
    try:
        durable.write(path, data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
