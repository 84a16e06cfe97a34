"""Manifests of an OCI registry (the OCI image spec, 1.1), whose layers are files with names.

A manifest holds no times, so the same files have the same manifest, and digest, for ever. A file's
name is the title of its layer; other clients, such as `oras pull`, write files by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from strop.bundle.manifest import is_printable
from strop.bundle.records import decode
from strop.errors import BundleError, RegistryError
from strop.fleet.registry import MANIFEST_TYPE, digest_of, is_digest

EMPTY = b"{}"  # the config of an artifact that needs none
TITLE = "org.opencontainers.image.title"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_MAX_TITLE = 255  # characters


class Layer(NamedTuple):
    """A file in a registry: its name, and the blob that it is."""

    name: str
    digest: str  # "sha256:<hex>"
    size_bytes: int


def layer_of(name: str, content: bytes | memoryview) -> Layer:
    """Describe a file as a layer."""
    return Layer(name, digest_of(content), len(content))


def write(kind: str, layer_kind: str, layers: Iterable[Layer], **more: Any) -> bytes:
    """Write a manifest.

    Args:
        kind: its `artifactType`.
        layer_kind: the media type of its layers.
        layers: the files.
        more: further members, such as `annotations`.
    """
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
                "annotations": {TITLE: layer.name},
            }
            for layer in layers
        ],
        **more,
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode("ascii")


def read(content: bytes, kind: str, mend: str) -> dict[str, Any]:
    """Read a manifest as an object of JSON.

    Args:
        content: the manifest.
        kind: the `artifactType` that it must have.
        mend: what to do if it has another.

    Raises:
        RegistryError: it is none, or has another `artifactType`.
    """
    try:
        found = decode(content, "the manifest")
    except BundleError as error:
        raise RegistryError(error.problem) from None
    if not isinstance(found, dict) or found.get("artifactType") != kind:
        is_a = found.get("artifactType") if isinstance(found, dict) else None
        raise RegistryError(
            f"the registry has something else there than was asked for: {str(is_a)[:100]!r} is "
            f"not {kind}",
            mend,
        )
    return found


def read_layers(found: Mapping[str, Any], most: int, max_bytes: int) -> tuple[Layer, ...]:
    """Read the files of a manifest.

    Args:
        found: the manifest, from `read`.
        most: of files.
        max_bytes: the largest size of a file.

    Raises:
        RegistryError: they are malformed, too many or too large, two have one name, or one blob
            has two sizes.
    """
    layers = found.get("layers")
    if not isinstance(layers, list) or len(layers) > most:
        raise malformed(f"its layers are not a list of at most {most}")
    read = tuple(_layer(value, max_bytes) for value in layers)
    if len({layer.name for layer in read}) < len(read):
        raise malformed("two layers have the same name")
    sizes = {layer.digest: layer.size_bytes for layer in read}
    if any(sizes[layer.digest] != layer.size_bytes for layer in read):
        raise malformed("two layers are the same blob with different sizes")
    return read


def _layer(value: Any, max_bytes: int) -> Layer:
    value = value if isinstance(value, dict) else {}
    notes = value.get("annotations")
    name = read_text(notes if isinstance(notes, dict) else {}, TITLE, _MAX_TITLE)
    digest, size = value.get("digest"), value.get("size")
    if not is_digest(digest):
        raise malformed(f"{name!r} has no SHA-256")
    if type(size) is not int or not 0 <= size <= max_bytes:
        raise malformed(f"{name!r} has {str(size)[:30]} bytes")
    return Layer(name, digest, size)


def read_text(notes: Mapping[str, Any], key: str, most: int) -> str:
    """Read an annotation of at most so many characters.

    Raises:
        RegistryError: it is missing, too long, or cannot be printed.
    """
    text = notes.get(key)
    if type(text) is not str or not 0 < len(text) <= most or not is_printable(text):
        raise malformed(f"the annotation {key} is missing or cannot be read")
    return text


def malformed(problem: str) -> RegistryError:
    """Return the error of a manifest that cannot be used."""
    return RegistryError(f"the registry's manifest is malformed: {problem}", "put it there again")
