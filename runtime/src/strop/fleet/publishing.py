"""Signing channels, on the workstation or in CI.

Each change reads what the registry has, verified by the client that devices have, and signs the
next versions. The files are uploaded first, and then the one manifest that names them. Putting that
is the moment in which the channels change: a stop before it leaves the old state whole, and the
same command again does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from strop.errors import ChannelError, InputError, printable
from strop.fleet import roles, seen
from strop.fleet.artifact import Layer
from strop.fleet.channel import Channel, check_channel, check_name, empty
from strop.fleet.channels import Channels, State, target_path, utc_now
from strop.fleet.key_folder import KEY_OF, KEYS, ROLES_OF, KeyFolder
from strop.fleet.older import read_older
from strop.fleet.tuf_errors import ExpiredError
from strop.fleet.tuf_files import (
    EMPTY,
    MAX_MANIFEST_BYTES,
    TAG,
    Store,
    digest_of,
    layer_of,
    read_manifest,
    write_manifest,
)

_DUE = 0.5  # a file is renewed when no more of its time is left
_PLACE = "the registry"


class Renewed(NamedTuple):
    """What was signed again."""

    state: State
    roles: tuple[str, ...]


class _Now(NamedTuple):
    """The verified state of the channels, and the keys to sign the next one with."""

    registry: Store
    folder: KeyFolder
    place: str
    channels: Channels
    state: State
    settled: tuple[str, ...]  # keys whose replacement was finished just now


def create(registry: Store, keys: str, *, days: int | None = None, place: str = _PLACE) -> bytes:
    """Make keys, and channels of which there are none yet; repeated, finish an attempt cut short.

    Args:
        registry: the repository.
        keys: the folder for the keys; made if it is missing.
        days: how long the snapshot and the timestamp are valid; None: 7.
        place: the repository's name, for messages.

    Returns:
        The root.json for the devices.

    Raises:
        ChannelError: the repository has channels of other keys; or the folder's keys have signed
            channels that the repository does not have.
        RegistryError: the registry cannot be reached, or refuses.
        InputError: a key cannot be made or read.
        InstallError: the disk refuses.
    """
    folder = KeyFolder(keys)
    manifest = registry.manifest(TAG, MAX_MANIFEST_BYTES)
    if manifest is not None:
        theirs = read_manifest(manifest).get("1.root.json")
        if folder.has_root() and theirs == layer_of("1.root.json", folder.root()):
            return folder.root()
        raise ChannelError(
            f"{place} has channels already",
            "sign with the keys that made them; or use another repository",
        )
    if seen.read(keys) is not None:
        raise ChannelError(
            f"the keys in {printable(keys)} have signed channels that {place} does not have",
            "name another folder for the keys of this repository",
        )
    folder.make_missing()
    with folder.alone():
        now = utc_now()
        signers = {key: folder.signer(key) for key in KEYS}
        if folder.has_root():
            root = folder.root()
            for key in KEYS:
                folder.signer_of(key, Metadata[Root].from_bytes(root).signed)
        else:
            root = roles.sign(roles.new_root(signers, ROLES_OF), (signers["root"],), now)
            folder.write_root(root)
        online = (signers["online"],)
        targets = roles.sign(Targets(version=1), (signers["targets"],), now)
        listed = Snapshot(version=1, meta={"targets.json": roles.describe(1, targets)})
        snapshot = roles.sign(listed, online, now, days)
        stamped = Timestamp(version=1, snapshot_meta=roles.describe(1, snapshot))
        files = {
            "1.root.json": root,
            "1.targets.json": targets,
            "1.snapshot.json": snapshot,
            "timestamp.json": roles.sign(stamped, online, now, days),
        }
        _commit(registry, files, [], None, place)
        Channels(registry, keys, root, place=place).refresh()
    return root


def change(
    registry: Store,
    keys: str,
    name: str,
    change: Callable[[Channel], Channel],
    *,
    place: str = _PLACE,
) -> Channel:
    """Change a channel, which is made if there is none; nothing is uploaded if it stays equal.

    Args:
        registry: the repository.
        keys: the folder of keys; "targets" and "online" must be there.
        name: the channel.
        change: takes the channel as it is, and returns it as it is to be.
        place: the repository's name, for messages.

    Returns:
        The channel as it is now.

    Raises:
        ChannelError: what the registry has cannot be verified, or another process or machine signs
            at the same time.
        RegistryError: the registry cannot be reached, or refuses.
        InputError: the change cannot be signed, or a key cannot be read.
        InstallError: the disk refuses.
        StropError: whatever `change` raises.
    """
    check_name(name)
    folder = KeyFolder(keys)
    with folder.alone():
        now = _read(registry, folder, place)
        state = now.state
        before = now.channels.channel(state, name) if name in state.names else empty(name)
        after = check_channel(change(before))
        if after == before:
            return before
        _require_same(before, after)
        root = state.root.signed
        signers = {"targets": (folder.signer_of("targets", root),)}
        online = folder.signer_of("online", root)
        content, path = after.to_json(), target_path(name)
        state.targets.signed.targets[path] = roles.target(path, content)
        _publish(now, signers, online, {path: content})
        return after


def renew(
    registry: Store,
    keys: str,
    *,
    days: int | None = None,
    accept_older: bool = False,
    place: str = _PLACE,
) -> Renewed:
    """Sign again what is due, with the keys that are here: new expiry, the same channels.

    The snapshot and the timestamp are always signed. So is each other role of whose time no more
    than half is left, if its key is here.

    Args:
        registry: the repository.
        keys: the folder of keys; "online" must be there.
        days: how long the snapshot and the timestamp are valid from now on; None: as before.
        accept_older: sign what the registry has even if it is expired, or older than what was seen
            here, with versions above all of those; "targets" must be here too. It is for a registry
            that was restored from a backup.
        place: the repository's name, for messages.

    Returns:
        The new state, and what was signed.

    Raises:
        StropError: as `change` does. Channels that are expired are renewed only by a folder that
            has seen the very state that the registry has: nothing tells how old another one is.
    """
    folder = KeyFolder(keys)
    with folder.alone():
        now = (_read_older if accept_older else _read)(registry, folder, place)
        root, time = now.state.root.signed, utc_now()
        signers = {}
        for role in ("root", "targets"):
            due = roles.share_left(role, now.state.signed(role), time) <= _DUE
            must = accept_older and role == "targets"
            if must or (due and folder.has(KEY_OF[role])):
                signers[role] = (folder.signer_of(KEY_OF[role], root),)
        return _publish(now, signers, folder.signer_of("online", root), {}, days)


def replace_key(registry: Store, keys: str, key: str, *, place: str = _PLACE) -> Renewed:
    """Replace a key by a new one; devices follow by themselves.

    Args:
        registry: the repository.
        keys: the folder of keys; "root" and "online" must be there.
        key: the one to replace: "root", "targets" or "online". A lost "targets" or "online" key can
            be replaced; a lost "root" key cannot, since devices follow only what it has signed.
        place: the repository's name, for messages.

    Returns:
        The new state, and what was signed.

    Raises:
        StropError: as `change` does.
    """
    folder = KeyFolder(keys)
    with folder.alone():
        now = _read(registry, folder, place)
        if key in now.settled:  # by this: an attempt whose root.json devices have already
            return Renewed(now.state, ())
        root = now.state.root.signed
        old = folder.signer_of("root", root)
        new = folder.make_next(key)
        online = new if key == "online" else folder.signer_of("online", root)
        for role in ROLES_OF[key]:
            for keyid in list(root.roles[role].keyids):
                root.revoke_key(keyid, role)
            root.add_key(new.public_key, role)
        signers = {"root": (old, new) if key == "root" else (old,)}
        if key == "targets":
            signers["targets"] = (new,)
        done = _publish(now, signers, online, {})
        folder.settle(done.state.root.signed, done.state.files["root"])
        return done


def look(registry: Store, keys: str, *, place: str = _PLACE) -> tuple[Channels, State]:
    """Verify what the registry has, with the memory of a folder of keys.

    Raises:
        StropError: as `change` does.
    """
    folder = KeyFolder(keys)
    with folder.alone():
        now = _read(registry, folder, place)
        return now.channels, now.state


def _read(registry: Store, folder: KeyFolder, place: str) -> _Now:
    """Verify what the registry has; where that is expired, take what was verified here before."""
    channels = Channels(registry, folder.path, folder.root(), place=place)
    try:
        state = channels.refresh()
        if state.layers["timestamp.json"].digest != digest_of(state.files["timestamp"]):
            raise ChannelError(
                f"another machine signed version {state.timestamp.signed.version} of the channels "
                f"in {place} at the same time as this one, and the registry has its channels",
                "renew them there (strop channels REPOSITORY --keys DIR --renew), then repeat this",
            )
    except ExpiredError:
        kept = _unchanged(channels, registry)
        if kept is None:
            raise
        state = kept
    settled = folder.settle(state.root.signed, state.files["root"])
    return _Now(registry, folder, place, channels, state, settled)


def _read_older(registry: Store, folder: KeyFolder, place: str) -> _Now:
    """Take what the registry has, if its keys are right, and raise its versions to those seen."""
    channels = Channels(registry, folder.path, folder.root(), place=place)
    state = read_older(registry, folder.root(), place)
    for role, version in channels.versions_seen().items():
        if role != "root":
            state.signed(role).version = max(version, state.signed(role).version)
    return _Now(registry, folder, place, channels, state, ())


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


def _publish(
    now: _Now,
    signers: Mapping[str, tuple[CryptoSigner, ...]],
    online: CryptoSigner,
    records: Mapping[str, bytes],
    days: int | None = None,
) -> Renewed:
    """Sign the next versions, and publish them.

    Args:
        now: the verified state, with what is new already in its root and targets.
        signers: those of "root" and "targets", where these are signed again.
        online: signs the snapshot and the timestamp.
        records: new records of channels, by their paths.
        days: how long these two are valid; None: as long as before.

    Returns:
        The new state, and what was signed.
    """
    state, time = now.state, utc_now()
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
    _commit(now.registry, {**records, **files}, layers, state.manifest, now.place)
    after = now.channels.refresh()  # as devices do
    return Renewed(after, (*signers, "snapshot", "timestamp"))


def _commit(
    registry: Store,
    files: Mapping[str, bytes],
    layers: Iterable[Layer],
    base: bytes | None,
    place: str,
) -> None:
    """Upload files, then put the manifest in place of the one that they were made from.

    A registry has no way to replace a manifest only if it is still the one that was read. So it is
    read just before, and again after.

    Args:
        registry: the repository.
        files: contents by name.
        layers: other files that the manifest names, which the registry has.
        base: the manifest that the state was read from; None if there was none.
        place: the repository's name, for messages.

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
            f"another machine changed the channels in {place} at the same time",
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


def _require_same(before: Channel, after: Channel) -> None:
    """Raise InputError if a channel is to be of another name, model or target than it was."""
    if before.channel != after.channel:
        raise InputError(f"the change of {before.channel} gives a record of {after.channel}")
    old, new = ((one.runs or (one.next and one.next.release)) for one in (before, after))
    if old and new and (old.name, old.target) != (new.name, new.target):
        raise InputError(
            f"channel {before.channel} is of {old.name} for {old.target}, and this release is of "
            f"{new.name} for {new.target}",
            "make another channel for it",
        )
