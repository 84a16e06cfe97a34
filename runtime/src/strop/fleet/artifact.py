"""A bundle in a registry."""

from __future__ import annotations

from typing import NamedTuple


class Release(NamedTuple):
    """One bundle in a registry."""

    manifest: str  # "sha256:<hex>" of the OCI manifest
    bundle: str  # SHA-256, 64 hexadecimal digits, of the bundle's bytes
    bundle_bytes: int
    name: str  # the model's
    model_version: int
    target: str


class Layer(NamedTuple):
    """A file in a registry: its name, and the blob that it is."""

    name: str
    digest: str  # "sha256:<hex>"
    size_bytes: int
