"""Who may use the server: the token that clients send, and the name they know it by."""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Mapping
from typing import NamedTuple

from strop.bundle.files import open_regular
from strop.errors import InputError
from strop.serve.refusals import RequestError, Unauthorized

_SHORTEST, _LONGEST = 16, 4096  # characters
_HOST = re.compile(r"(.*?)(:[0-9]*)?")  # a name or an address, and a port


class Access(NamedTuple):
    """What a request must have.

    Attributes:
        token: the token that clients send; None: none.
        hosts: the names in a `Host` header, in lower case; None: any.
    """

    token: bytes | None
    hosts: tuple[str, ...] | None

    def require_host(self, headers: Mapping[str, str]) -> None:
        """Require that a client knows the server by one of its names.

        Raises:
            RequestError: the `Host` is another, or is missing.
        """
        host = headers.get("host", "")
        named = _HOST.fullmatch(host)
        if self.hosts and (named is None or named[1].lower() not in self.hosts):
            raise RequestError(f"the server is not {host!r}", f"use {self.hosts[-1]}")

    def require_token(self, headers: Mapping[str, str]) -> None:
        """Require the token.

        Raises:
            Unauthorized: the request lacks it.
        """
        if self.token and not is_bearer(headers.get("authorization"), self.token):
            raise Unauthorized("the request lacks the token", "Authorization: Bearer <token>")


def read_token(path: str) -> bytes:
    """Read the token of a file: its first line.

    Raises:
        InputError: the file cannot be read, others may read it, or the token is too short or has
            characters that no header carries.
    """
    try:
        with open_regular(path) as file:
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
    if not all(0x21 <= character <= 0x7E for character in token):
        raise InputError(
            f"the token in {path} must have visible ASCII characters only, without blanks",
            f"openssl rand -hex 32 > {path}",
        )
    return token


def is_bearer(header: str | None, token: bytes) -> bool:
    """Tell whether an Authorization header carries the token, in constant time."""
    scheme, _, given = (header or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token)
