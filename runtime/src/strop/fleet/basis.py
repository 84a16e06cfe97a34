"""The verified state that the next one is signed on, and publishing that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import TargetFile

from strop.errors import ChannelError
from strop.fleet import roles
from strop.fleet.channels import Channels, State, utc_now
from strop.fleet.key_folder import KeyFolder
from strop.fleet.oci import EMPTY, Layer, layer_of
from strop.fleet.older import read_older
from strop.fleet.registry import digest_of
from strop.fleet.tuf_errors import ExpiredError
from strop.fleet.tuf_files import (
    MAX_MANIFEST_BYTES,
    TAG,
    Store,
    read_manifest,
    write_manifest,
)


class Renewed(NamedTuple):
    """What was signed again."""

    state: State
    roles: tuple[str, ...]


class Basis(NamedTuple):
    """The verified state of the channels, and the keys to sign the next one with."""

    registry: Store
    folder: KeyFolder
    channels: Channels
    state: State
    settled: tuple[str, ...]  # keys whose replacement was finished just now


def read_basis(registry: Store, folder: KeyFolder) -> Basis:
    """Verify what the registry has; where that is expired, take what was verified here before."""
    channels = Channels(registry, folder.path, folder.root())
    try:
        state = channels.refresh()
        if state.layers["timestamp.json"].digest != digest_of(state.files["timestamp"]):
            raise ChannelError(
                f"another machine signed version {state.timestamp.signed.version} of the channels "
                f"in {registry.place} at the same time as this one, and it has theirs",
                "renew them there (strop channels REPOSITORY --keys DIR --renew), then repeat this",
            )
    except ExpiredError:
        kept = _unchanged(channels, registry)
        if kept is None:
            raise
        state = kept
    settled = folder.settle(state.root.signed, state.files["root"])
    return Basis(registry, folder, channels, state, settled)


def read_older_basis(registry: Store, folder: KeyFolder) -> Basis:
    """Take what the registry has, if its keys are right, and raise its versions to those seen."""
    channels = Channels(registry, folder.path, folder.root())
    state = read_older(registry, folder.root())
    for role, version in channels.versions_seen().items():
        if role != "root":
            state.signed(role).version = max(version, state.signed(role).version)
    return Basis(registry, folder, channels, state, ())


def _unchanged(channels: Channels, registry: Store) -> State | None:
    """Return the state that was verified here before, if the registry has that very one."""
    kept = channels.remembered()
    manifest = registry.manifest(TAG, MAX_MANIFEST_BYTES)
    if kept is None or manifest is None:
        return None
    layers = read_manifest(manifest)
    if layers.get("timestamp.json") != layer_of("timestamp.json", kept.files["timestamp"]):
        return None
    return kept._replace(manifest=manifest, layers=layers)


def publish(
    basis: Basis,
    signers: Mapping[str, tuple[CryptoSigner, ...]],
    online: CryptoSigner,
    records: Mapping[str, bytes],
    days: int | None = None,
) -> Renewed:
    """Sign the next versions, and publish them.

    Args:
        basis: the verified state, with what is new already in its root and targets.
        signers: those of "root" and "targets", where these are signed again.
        online: signs the snapshot and the timestamp.
        records: new records of channels, by their paths.
        days: how long these two are valid; None: as long as before.

    Returns:
        The new state, and what was signed.
    """
    state, time = basis.state, utc_now()
    root, targets = state.root.signed, state.targets.signed
    snapshot, timestamp = state.snapshot.signed, state.timestamp.signed
    contents = dict(state.files)
    for role, content in (("root", root), ("targets", targets)):
        if role in signers:
            content.version += 1
            contents[role] = roles.sign(content, signers[role], time)
    snapshot.version += 1
    snapshot.meta["targets.json"] = roles.describe(targets.version, contents["targets"])
    contents["snapshot"] = roles.sign(snapshot, (online,), time, days)
    timestamp.version += 1
    timestamp.snapshot_meta = roles.describe(snapshot.version, contents["snapshot"])
    contents["timestamp"] = roles.sign(timestamp, (online,), time, days)
    files = {
        f"{root.version}.root.json": contents["root"],
        f"{targets.version}.targets.json": contents["targets"],
        f"{snapshot.version}.snapshot.json": contents["snapshot"],
        "timestamp.json": contents["timestamp"],
    }
    layers = [*_older_roots(state), *_records(targets.targets)]
    commit(basis.registry, {**records, **files}, layers, state.manifest)
    after = basis.channels.refresh()  # as devices do
    return Renewed(after, (*signers, "snapshot", "timestamp"))


def commit(
    registry: Store,
    files: Mapping[str, bytes],
    layers: Iterable[Layer],
    base: bytes | None,
) -> None:
    """Upload files, then put the manifest in place of the one that they were made from.

    A registry has no way to replace a manifest only if it is still the one that was read. So it is
    read just before, and again after.

    Args:
        registry: the repository.
        files: contents by name.
        layers: other files that the manifest names, which the registry has.
        base: the manifest that the state was read from; None if there was none.

    Raises:
        ChannelError: another machine changed the channels meanwhile.
        RegistryError: the registry cannot be reached, or refuses.
    """
    for content in (EMPTY, *files.values()):
        registry.put_blob(digest_of(content), content)
    named = {layer.name: layer for layer in layers}
    named.update((name, layer_of(name, content)) for name, content in files.items())
    manifest = write_manifest(sorted(named.values()))
    clear = registry.manifest(TAG, MAX_MANIFEST_BYTES) == base
    if clear:
        registry.put_manifest(TAG, manifest)
        clear = registry.manifest(TAG, MAX_MANIFEST_BYTES) == manifest
    if not clear:
        raise ChannelError(
            f"another machine changed the channels in {registry.place} at the same time",
            "look at them (strop channels REPOSITORY), then repeat this",
        )


def _older_roots(state: State) -> list[Layer]:
    """Return the roots that the registry has already."""
    names = [f"{version}.root.json" for version in range(1, state.root.signed.version + 1)]
    return [state.layers[name] for name in names if name in state.layers]


def _records(targets: Mapping[str, TargetFile]) -> list[Layer]:
    """Return the layers of the channels' records, as they are signed."""
    return [
        Layer(path, f"sha256:{file.hashes['sha256']}", file.length)
        for path, file in targets.items()
    ]
