"""New versions of TUF's files, signed: the roles of channels, and how long each is valid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

# Days from signing to expiry. The last two bound how long a registry can withhold what is new.
DAYS = {"root": 365, "targets": 90, "snapshot": 7, "timestamp": 7}
MOST_DAYS = 3650
# A signed field of each file: the days that it was given. TUF allows fields of one's own.
_DAYS_FIELD = "x-strop-days"


def days_of(role: str, signed: Signed) -> int:
    """Return how many days a file was given from signing to expiry."""
    days = signed.unrecognized_fields.get(_DAYS_FIELD)
    return days if type(days) is int and 0 < days <= MOST_DAYS else DAYS[role]


def share_left(role: str, signed: Signed, now: datetime) -> float:
    """Return how much of a file's time is left, at most 1; 0 or less if it is expired."""
    return (signed.expires - now) / timedelta(days=days_of(role, signed))


def new_root(signers: Mapping[str, CryptoSigner], roles: Mapping[str, tuple[str, ...]]) -> Root:
    """Make the first root.

    Args:
        signers: by key.
        roles: those that each key signs.
    """
    root = Root(version=1, consistent_snapshot=True)
    for key, signer in signers.items():
        for role in roles[key]:
            root.add_key(signer.public_key, role)
    return root


def sign(
    signed: Root | Timestamp | Snapshot | Targets,
    signers: tuple[CryptoSigner, ...],
    now: datetime,
    days: int | None = None,
) -> bytes:
    """Date a file, and sign it.

    Args:
        signed: what is signed; its expiry is set here.
        signers: the keys.
        now: the time, in UTC.
        days: how long it is valid; None: as long as the one before it was.
    """
    days = days or days_of(signed.type, signed)
    signed.expires = (now + timedelta(days=days)).replace(microsecond=0)
    signed.unrecognized_fields[_DAYS_FIELD] = days
    metadata: Metadata[Any] = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def describe(version: int, content: bytes) -> MetaFile:
    """Describe a file by its version, length and SHA-256."""
    return MetaFile.from_data(version, content, ["sha256"])


def target(path: str, content: bytes) -> TargetFile:
    """Describe a channel's record by its length and SHA-256."""
    return TargetFile.from_data(path, content, ["sha256"])
