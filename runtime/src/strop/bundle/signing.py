"""`signature.json`: Ed25519 (RFC 8032) over the manifest, which vouches for every other member.

docs/bundle-format.md describes it, and docs/decisions/0017-signatures.md gives the reasons. An app
without trust configured does not import this module.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from strop.bundle.records import read_record
from strop.bundle.trust import PublicKey, Trust
from strop.errors import BundleError, root_cause
from strop.versions import install_line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCHEMA = 1
ALGORITHM = "ed25519"
MAX_BYTES = 1024  # of signature.json, which has 275; it is parsed before anything vouches for it

# The signed message starts with this, so that a signature of the same key over something else does
# not count for a manifest, nor the other way round.
_CONTEXT = b"strop bundle, signature schema 1: manifest.json\n"


class Signature(NamedTuple):
    """The fields of `signature.json`."""

    schema: int
    algorithm: str
    public_key: str  # of 32 bytes, in lower-case hexadecimal digits
    signature: str  # of 64 bytes, likewise

    @property
    def key(self) -> PublicKey:
        """The key that the file names as its signer; only a claim until that key is trusted."""
        return PublicKey(bytes.fromhex(self.public_key))

    def to_json(self) -> bytes:
        """Write the fields in their one form: sorted keys, two spaces, a newline at the end."""
        text = json.dumps(self._asdict(), indent=2, sort_keys=True)
        return text.encode("ascii") + b"\n"


def read_signature(content: bytes | memoryview) -> Signature:
    """Read `signature.json`, but do not verify the signature.

    Args:
        content: the bytes of `signature.json`.

    Raises:
        BundleError: it is not, byte for byte, what `Signature.to_json` writes.
    """
    data = bytes(content[: MAX_BYTES + 1])
    found: Signature = read_record(
        Signature,
        data,
        "signature.json",
        schema=SCHEMA,
        max_bytes=MAX_BYTES,
        mend="install the strop wheel that came with the bundle",
    )
    if found.algorithm != ALGORITHM:
        raise BundleError(f"signature.json: algorithm is {found.algorithm!r}, not {ALGORITHM}")
    for name, digits in (("public_key", 64), ("signature", 128)):
        value = getattr(found, name)
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            raise BundleError(f"signature.json: {name} is not {digits} hexadecimal digits")
    if found.to_json() != data:
        raise BundleError("signature.json is not written as Strop writes it", "sign again")
    return found


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """Make the `signature.json` of a bundle; the same manifest and key give the same bytes.

    Args:
        manifest: the bytes of `manifest.json`.
        key: the private key.

    Returns:
        The bytes of `signature.json`.
    """
    signature = key.sign(_CONTEXT + manifest)
    return Signature(SCHEMA, ALGORITHM, public_half(key).raw.hex(), signature.hex()).to_json()


def public_half(key: Ed25519PrivateKey) -> PublicKey:
    """Return the public key of a private one."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PublicKey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def require_signature(
    manifest: bytes, content: bytes | memoryview | None, trust: Trust
) -> PublicKey:
    """Verify the signature of a manifest, and return the trusted key that signed it.

    Args:
        manifest: the bytes of `manifest.json`.
        content: those of `signature.json`; None if there is none.
        trust: the keys of which one must have signed.

    Raises:
        BundleError: there is no signature, it is not by a trusted key, or it is wrong; or the
            library of signatures is absent or broken.
    """
    if content is None:
        raise BundleError(
            f"not signed, and it must be signed with one of {trust.source}", "use strop sign"
        )
    signature = read_signature(content)
    key = trust.find(signature.key.raw)
    if key is None:
        raise BundleError(
            f"signed by {signature.key}, which is not among {trust.source}",
            "get the bundle from a maker you trust",
        )
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        verifier = Ed25519PublicKey.from_public_bytes(key.raw)
    except Exception as error:  # absent, broken, or over an OpenSSL without Ed25519
        raise BundleError(
            f"its signature cannot be verified: {no_library(error)}", install_line("signing")
        ) from error
    try:
        verifier.verify(bytes.fromhex(signature.signature), _CONTEXT + manifest)
    except InvalidSignature:
        raise BundleError(
            f"tampered with: {key} did not sign this manifest", "get the bundle again"
        ) from None
    return key


def no_library(error: Exception) -> str:
    """Describe, for a message, why the library of signatures does not import or work.

    Args:
        error: what importing or using it raised.
    """
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and missing.partition(".")[0] == "cryptography":
        return "that needs the package cryptography, which is not installed"
    return f"the package cryptography does not work here ({root_cause(error)})"
