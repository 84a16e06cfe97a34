"""Access: for clients with the token, that call the server by a name of its own."""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple

from starlette.datastructures import Headers

from strop.bundle.files import read_secret
from strop.errors import InputError
from strop.serve.refusals import OtherHost, Unauthorized

_SHORTEST, _LONGEST = 16, 4096  # characters
_HOST = re.compile(r"\[?([^\[\]]*?)\]?(:\d*)?")  # an IPv6 address has brackets


class Access(NamedTuple):
    """The conditions that a request must meet.

    Attributes:
        token: what it must send; None: nothing.
        hosts: the names that it may call the server, in lower case; None: any. A web page of
            another site can reach a server on loopback, but only by a name of its own.
    """

    token: bytes | None = None
    hosts: frozenset[str] | None = None

    def require_host(self, headers: Headers) -> None:
        """Require a name of this server.

        Raises:
            OtherHost: it is another.
        """
        if self.hosts is None:
            return
        found = _HOST.fullmatch(headers.get("host", ""))
        if found is None or found[1].lower() not in self.hosts:
            raise OtherHost(
                "the request's Host is not a name of this server",
                f"call it {', '.join(sorted(self.hosts))}",
            )

    def require_token(self, headers: Headers) -> None:
        """Require the token, compared in constant time.

        Raises:
            Unauthorized: it is absent, or another.
        """
        if self.token is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.token)
        if scheme.lower() != "bearer" or not right:
            raise Unauthorized("the request lacks the token", "Authorization: Bearer <token>")


def read_token(path: str) -> bytes:
    """Read the token of a file: its first line.

    Raises:
        InputError: the file cannot be read, others may read it, or no header can hold the token.
    """
    token = read_secret(path, "the token", _LONGEST + 2)
    if not re.fullmatch(rb"[!-~]{%d,%d}" % (_SHORTEST, _LONGEST), token):
        raise InputError(
            f"the token in {path} must be {_SHORTEST} to {_LONGEST} ASCII characters without "
            f"spaces, got {len(token)} bytes",
            f"openssl rand -hex 32 > {path}",
        )
    return token
