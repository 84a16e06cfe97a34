"""The files of a pair of keys: the private one in PKCS #8 (RFC 5958) as PEM, the public as text.

A private key is never printed, never overwritten, and never used if
its mode lets other users read it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from strop import durable
from strop.bundle.files import read_file
from strop.bundle.manifest import is_printable
from strop.bundle.signing import no_library, public_half
from strop.bundle.trust import PublicKey
from strop.errors import InputError, StropError, printable
from strop.versions import install_line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_BYTES = 64 * 2**10  # of a private key's file, which has some 120

_OTHERS = 0o077  # what group and others may do


def make_pair(path: str, comment: str | None = None) -> PublicKey:
    """Make a private key at `path` (mode 0600) and its public one beside it, at `path`.pub.

    Args:
        path: the file of the private key.
        comment: what people call the key; by default the name of its file.

    Returns:
        The public key, with its comment.

    Raises:
        InputError: one of the files exists or cannot be written, or the comment is not one line of
            text. No file is left then.
        StropError: the library of signatures is absent or broken.
    """
    comment = os.path.basename(path) if comment is None else comment.strip()  # noqa: PTH119
    if not is_printable(comment):
        raise InputError(
            f"the comment {comment!r} is not one line of text",
            "give another --comment",
        )
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        key = Ed25519PrivateKey.generate()
    except Exception as error:  # absent, broken, or over an OpenSSL without Ed25519
        raise StropError(
            f"cannot make keys: {no_library(error)}", install_line("signing")
        ) from error
    public = public_half(key)._replace(comment=comment)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _create(((path, secret, 0o600), (f"{path}.pub", public.line, 0o644)))
    return public


def read_private(path: str) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        InputError: the file cannot be read, other users may read it, or it is not an Ed25519 key
            in PEM without a password.
        StropError: the library of signatures is absent or broken.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except Exception as error:
        raise StropError(f"cannot sign: {no_library(error)}", install_line("signing")) from error
    shown = printable(path)
    try:
        content, status = read_file(path, MAX_BYTES)
    except OSError as error:
        raise InputError(f"cannot read the key {shown}: {error.strerror or error}") from None
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:  # the library's word for it
        raise InputError(
            f"the key {shown} has a password, and strop cannot ask for it",
            "make a key without one: strop keygen",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"{shown} is not a private Ed25519 key",
            "give the private key that strop keygen wrote, not the .pub",
        )
    if hasattr(os, "geteuid") and status.st_mode & _OTHERS:  # Windows has access lists instead
        raise InputError(
            f"other users may read or write the private key {shown}", f"chmod 600 {shown}"
        )
    return key


def _create(files: tuple[tuple[str, bytes, int], ...]) -> None:
    """Write new files (path, content, mode): all of them, or none."""
    made: list[str] = []
    try:
        for path, content, mode in files:
            durable.create(path, content, mode)
            made.append(path)
        durable.sync_folder(os.path.dirname(files[0][0]) or ".")  # noqa: PTH120
    except BaseException as error:
        for path in made:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
        if isinstance(error, FileExistsError):
            raise InputError(
                f"{printable(error.filename)} exists, and strop does not overwrite keys",
                "choose another name",
            ) from None
        if isinstance(error, OSError):
            where = error.filename or files[0][0]
            raise InputError(
                f"cannot write {printable(where)}: {error.strerror or error}"
            ) from None
        raise
