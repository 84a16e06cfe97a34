"""A bundle as an OCI artifact: a layer for each member of the bundle, by the member's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from strop.bundle.archive import MAX_ARCHIVE_BYTES, MAX_MEMBERS
from strop.bundle.digest import is_sha256, sha256_hex
from strop.bundle.manifest import Manifest
from strop.fleet import oci
from strop.fleet.oci import TITLE, Layer, layer_of, malformed, read_text
from strop.fleet.registry import MANIFEST_TYPE, digest_of

BUNDLE_TYPE = "application/vnd.strop.bundle.v1"
PATCH_TYPE = "application/vnd.strop.patch.v1"
_MEMBER_TYPE = "application/vnd.strop.member.v1"
_PATCH_LAYER_TYPE = "application/vnd.strop.patch.v1+zstd"

_VERSION = "org.opencontainers.image.version"
_TARGET = "vnd.strop.target"
_SHA256 = "vnd.strop.bundle.sha256"
_BYTES = "vnd.strop.bundle.bytes"
_MEND = "name the tag or digest of a bundle that strop push has put there"
_MAX_TEXT = 200  # characters of a name
_MAX_DIGITS = 15  # of a number


class Release(NamedTuple):
    """One bundle in a registry."""

    manifest: str  # "sha256:<hex>" of the OCI manifest
    bundle: str  # SHA-256, 64 hexadecimal digits, of the bundle's bytes
    bundle_bytes: int
    name: str  # the model's
    model_version: int
    target: str

    @property
    def label(self) -> str:
        """The release in words."""
        return f"{self.name}-{self.target} v{self.model_version}"


class Artifact(NamedTuple):
    """What the manifest of a bundle says; nothing of it is verified."""

    release: Release
    layers: tuple[Layer, ...]


def write_manifest(
    manifest: Manifest, bundle: bytes, members: Mapping[str, bytes | memoryview]
) -> bytes:
    """Write the OCI manifest of a bundle.

    Args:
        manifest: the bundle's own.
        bundle: its bytes.
        members: its members by name, in their order.
    """
    layers = [layer_of(name, content) for name, content in members.items()]
    notes = {
        TITLE: manifest.name,
        _VERSION: str(manifest.model_version),
        _TARGET: manifest.target,
        _SHA256: sha256_hex(bundle),
        _BYTES: str(len(bundle)),
    }
    return oci.write(BUNDLE_TYPE, _MEMBER_TYPE, layers, annotations=notes)


def read_manifest(content: bytes) -> Artifact:
    """Read the OCI manifest of a bundle.

    Raises:
        RegistryError: it is malformed, of something else, or of a bundle that cannot be: with too
            many members, two of one name, or more bytes than a bundle may have.
    """
    found = oci.read(content, BUNDLE_TYPE, _MEND)
    notes = found.get("annotations")
    notes = notes if isinstance(notes, dict) else {}
    release = Release(
        manifest=digest_of(content),
        bundle=read_text(notes, _SHA256, 64),
        bundle_bytes=_number(notes, _BYTES),
        name=read_text(notes, TITLE, _MAX_TEXT),
        model_version=_number(notes, _VERSION),
        target=read_text(notes, _TARGET, _MAX_TEXT),
    )
    if not is_sha256(release.bundle) or not 0 < release.bundle_bytes <= MAX_ARCHIVE_BYTES:
        raise malformed("it does not say which bundle it is")
    layers = oci.read_layers(found, MAX_MEMBERS, MAX_ARCHIVE_BYTES)
    if sum(layer.size_bytes for layer in layers) > release.bundle_bytes:
        raise malformed("its layers have more bytes than the bundle")
    return Artifact(release, layers)


def patch_tag(new: str, old: str) -> str:
    """Return the tag of the patch from one bundle to another, both by their SHA-256."""
    return f"patch.{new[:16]}.{old[:16]}"


def write_patch_manifest(subject: bytes, patch: bytes, tag: str) -> bytes:
    """Write the OCI manifest of a patch.

    Args:
        subject: the manifest of the release that the patch leads to.
        patch: the patch.
        tag: its tag.
    """
    about = {"mediaType": MANIFEST_TYPE, "digest": digest_of(subject), "size": len(subject)}
    layer = layer_of(f"{tag}.zst", patch)
    return oci.write(PATCH_TYPE, _PATCH_LAYER_TYPE, [layer], subject=about)


def read_patch_manifest(content: bytes) -> Layer:
    """Return the layer that is the patch.

    Raises:
        RegistryError: the manifest is malformed, or of something else.
    """
    layers = oci.read_layers(oci.read(content, PATCH_TYPE, _MEND), 1, MAX_ARCHIVE_BYTES)
    if len(layers) != 1:
        raise malformed("it has no patch")
    return layers[0]


def _number(notes: Mapping[str, Any], key: str) -> int:
    text = read_text(notes, key, _MAX_DIGITS)
    if not (text.isascii() and text.isdecimal()):
        raise malformed(f"the annotation {key} is not a number")
    return int(text)
