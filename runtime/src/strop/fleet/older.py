"""What a registry has, by signatures and hashes alone: for channels that a person says are right.

Neither the clock nor what was seen counts here, so devices never read channels in this way.
"""

from __future__ import annotations

from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root

from strop.errors import ChannelError, RegistryError, one_line
from strop.fleet.channels import State
from strop.fleet.oci import Layer
from strop.fleet.tuf_files import MAX_MANIFEST_BYTES, TAG, Store, read_manifest


def read_older(registry: Store, root: bytes) -> State:
    """Read the channels of a registry that may be expired, or older than those seen.

    Args:
        registry: the repository.
        root: the root.json whose keys must have signed them.

    Raises:
        ChannelError: there are none, or they are not signed by these keys.
        RegistryError: the registry cannot be reached, or lacks a file.
    """
    place = registry.place
    manifest = registry.manifest(TAG, MAX_MANIFEST_BYTES)
    if manifest is None:
        raise ChannelError(f"there are no channels in {place}", "restore them from a backup")
    layers = read_manifest(manifest)
    files = {"root": root}
    signed: dict[str, Metadata[Any]] = {"root": Metadata[Root].from_bytes(root)}
    listed: MetaFile | None = None
    for role in ("timestamp", "snapshot", "targets"):
        name = f"{role}.json" if listed is None else f"{listed.version}.{role}.json"
        files[role] = _blob(registry, layers, name)
        try:
            if listed:
                listed.verify_length_and_hashes(files[role])
            found: Metadata[Any] = Metadata.from_bytes(files[role])
            signed["root"].signed.verify_delegate(role, found.signed_bytes, found.signatures)
        except RepositoryError as error:
            raise ChannelError(
                f"{place}: {name} is not the file that the keys in root.json signed "
                f"({one_line(str(error))})"
            ) from None
        if found.signed.type != role:
            raise ChannelError(f"{place}: {name} is a {found.signed.type}")
        signed[role] = found
        if role == "timestamp":
            listed = found.signed.snapshot_meta
        elif role == "snapshot":
            listed = found.signed.meta["targets.json"]
    return State(**signed, files=files, manifest=manifest, layers=layers)


def _blob(registry: Store, layers: dict[str, Layer], name: str) -> bytes:
    layer = layers.get(name)
    if layer is None:
        raise RegistryError(f"{registry.place} lacks {name}, a file of its channels")
    return registry.blob(layer.digest, layer.size_bytes)
