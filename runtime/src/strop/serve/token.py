"""The token that clients send."""

from __future__ import annotations

import hmac
import os
import stat

from strop.errors import InputError

_SHORTEST, _LONGEST = 16, 4096  # characters


def read_token(path: str) -> bytes:
    """Read the token of a file: its first line.

    Raises:
        InputError: the file cannot be read, others may read it, or the token is too short.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            mode = os.fstat(file.fileno()).st_mode
            token = file.readline(_LONGEST + 2).strip()
    except OSError as error:
        raise InputError(f"cannot read the token in {path}: {error.strerror or error}") from None
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise InputError(f"others may read or change the token in {path}", f"chmod 640 {path}")
    if not _SHORTEST <= len(token) <= _LONGEST:
        raise InputError(
            f"the token in {path} must have {_SHORTEST} to {_LONGEST} characters, got {len(token)}",
            f"openssl rand -hex 32 > {path}",
        )
    return token


def is_bearer(header: str | None, token: bytes) -> bool:
    """Tell whether an Authorization header carries the token, in constant time."""
    scheme, _, given = (header or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token)
