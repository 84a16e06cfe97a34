"""A bundle as an OCI artifact (the OCI image spec, 1.1): a layer for each member of the bundle.

The manifest holds no times, so the same bundle has the same manifest, and digest, for ever. A
member's name is the title of its layer; other clients, such as `oras pull`, write files by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from strop.bundle.archive import MAX_ARCHIVE_BYTES, MAX_MEMBERS
from strop.bundle.digest import is_sha256, sha256_hex
from strop.bundle.manifest import Manifest, is_printable
from strop.bundle.records import decode
from strop.errors import BundleError, RegistryError
from strop.fleet.registry import MANIFEST_TYPE, digest_of, is_digest

BUNDLE_TYPE = "application/vnd.strop.bundle.v1"
PATCH_TYPE = "application/vnd.strop.patch.v1"
EMPTY = b"{}"  # the config of an artifact that needs none
_MEMBER_TYPE = "application/vnd.strop.member.v1"
_PATCH_LAYER_TYPE = "application/vnd.strop.patch.v1+zstd"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"

_TITLE = "org.opencontainers.image.title"  # of a layer: the member's name; of all: the model's
_VERSION = "org.opencontainers.image.version"
_TARGET = "vnd.strop.target"
_SHA256 = "vnd.strop.bundle.sha256"
_BYTES = "vnd.strop.bundle.bytes"
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


class Layer(NamedTuple):
    """A file in a registry: its name, and the blob that it is."""

    name: str
    digest: str  # "sha256:<hex>"
    size_bytes: int


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
    layers = [Layer(name, digest_of(content), len(content)) for name, content in members.items()]
    notes = {
        _TITLE: manifest.name,
        _VERSION: str(manifest.model_version),
        _TARGET: manifest.target,
        _SHA256: sha256_hex(bundle),
        _BYTES: str(len(bundle)),
    }
    return _write(BUNDLE_TYPE, _MEMBER_TYPE, layers, notes)


def read_manifest(content: bytes) -> Artifact:
    """Read the OCI manifest of a bundle.

    Raises:
        RegistryError: it is malformed, of something else, or of a bundle that cannot be: with too
            many members, two of one name, or more bytes than a bundle may have.
    """
    found = _read(content, BUNDLE_TYPE)
    notes = found.get("annotations")
    notes = notes if isinstance(notes, dict) else {}
    release = Release(
        manifest=digest_of(content),
        bundle=_text(notes, _SHA256),
        bundle_bytes=_number(notes, _BYTES),
        name=_text(notes, _TITLE),
        model_version=_number(notes, _VERSION),
        target=_text(notes, _TARGET),
    )
    if not is_sha256(release.bundle) or not 0 < release.bundle_bytes <= MAX_ARCHIVE_BYTES:
        raise _malformed("it does not say which bundle it is")
    layers = _layers(found, MAX_MEMBERS)
    if len({layer.name for layer in layers}) < len(layers):
        raise _malformed("two layers have the same name")
    if sum(layer.size_bytes for layer in layers) > release.bundle_bytes:
        raise _malformed("its layers have more bytes than the bundle")
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
    layer = Layer(f"{tag}.zst", digest_of(patch), len(patch))
    return _write(PATCH_TYPE, _PATCH_LAYER_TYPE, [layer], {}, subject=about)


def read_patch_manifest(content: bytes) -> Layer:
    """Return the layer that is the patch.

    Raises:
        RegistryError: the manifest is malformed, or of something else.
    """
    layers = _layers(_read(content, PATCH_TYPE), 1)
    if len(layers) != 1:
        raise _malformed("it has no patch")
    return layers[0]


def _write(
    kind: str, layer_kind: str, layers: list[Layer], notes: Mapping[str, str], **more: Any
) -> bytes:
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": kind,
        "config": {"mediaType": _EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)},
        "layers": [
            {
                "mediaType": layer_kind,
                "digest": layer.digest,
                "size": layer.size_bytes,
                "annotations": {_TITLE: layer.name},
            }
            for layer in layers
        ],
        **more,
    }
    if notes:
        content["annotations"] = notes
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode("ascii")


def _read(content: bytes, kind: str) -> dict[str, Any]:
    try:
        found = decode(content, "the manifest")
    except BundleError as error:
        raise RegistryError(error.problem) from None
    if not isinstance(found, dict) or found.get("artifactType") != kind:
        is_a = found.get("artifactType") if isinstance(found, dict) else None
        raise RegistryError(
            f"the registry has something else there than was asked for: {str(is_a)[:100]!r} is "
            f"not {kind}",
            "name the tag or digest of a bundle that strop push has put there",
        )
    return found


def _layers(found: Mapping[str, Any], most: int) -> tuple[Layer, ...]:
    layers = found.get("layers")
    if not isinstance(layers, list) or len(layers) > most:
        raise _malformed(f"its layers are not a list of at most {most}")
    return tuple(map(_layer, layers))


def _layer(value: Any) -> Layer:
    value = value if isinstance(value, dict) else {}
    notes = value.get("annotations")
    name = _text(notes if isinstance(notes, dict) else {}, _TITLE, 255)
    digest, size = value.get("digest"), value.get("size")
    if not is_digest(digest):
        raise _malformed(f"{name!r} has no SHA-256")
    if type(size) is not int or not 0 <= size <= MAX_ARCHIVE_BYTES:
        raise _malformed(f"{name!r} has {str(size)[:30]} bytes")
    return Layer(name, digest, size)


def _text(notes: Mapping[str, Any], key: str, most: int = _MAX_TEXT) -> str:
    text = notes.get(key)
    if type(text) is not str or not 0 < len(text) <= most or not is_printable(text):
        raise _malformed(f"the annotation {key} is missing or cannot be read")
    return text


def _number(notes: Mapping[str, Any], key: str) -> int:
    text = _text(notes, key, _MAX_DIGITS)
    if not (text.isascii() and text.isdecimal()):
        raise _malformed(f"the annotation {key} is not a number")
    return int(text)


def _malformed(problem: str) -> RegistryError:
    return RegistryError(f"the registry's manifest is malformed: {problem}", "push it again")
