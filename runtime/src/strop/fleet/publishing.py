"""Signing channels, on the workstation or in CI.

Each change reads what the registry has, verified by the client that devices have, and signs the
next versions. The files are uploaded first, and then the one manifest that names them. Putting that
is the moment in which the channels change: a stop before it leaves the old state whole, and the
same command again does the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from strop.errors import ChannelError, InputError, printable
from strop.fleet import roles, seen
from strop.fleet.basis import Renewed, commit, publish, read_basis, read_older_basis
from strop.fleet.channel import Channel, check_channel, check_name, empty
from strop.fleet.channels import Channels, State, target_path, utc_now
from strop.fleet.key_folder import KEY_OF, KEYS, ROLES_OF, KeyFolder
from strop.fleet.oci import layer_of
from strop.fleet.tuf_files import MAX_MANIFEST_BYTES, TAG, Store, read_manifest

_DUE = 0.5  # a file is renewed when no more of its time is left


def create(registry: Store, keys: str, *, days: int | None = None) -> bytes:
    """Make keys, and channels of which there are none yet; repeated, finish an attempt cut short.

    Args:
        registry: the repository.
        keys: the folder for the keys; made if it is missing.
        days: how long the snapshot and the timestamp are valid; None: 7.

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
            f"{registry.place} has channels already",
            "sign with the keys that made them; or use another repository",
        )
    if seen.read(keys) is not None:
        raise ChannelError(
            f"the keys in {printable(keys)} have signed channels that {registry.place} does not "
            "have",
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
        commit(registry, files, [], None)
        Channels(registry, keys, root).refresh()
    return root


def change(
    registry: Store,
    keys: str,
    name: str,
    change: Callable[[Channel], Channel],
) -> Channel:
    """Change a channel, which is made if there is none; nothing is uploaded if it stays equal.

    Args:
        registry: the repository.
        keys: the folder of keys; "targets" and "online" must be there.
        name: the channel.
        change: takes the channel as it is, and returns it as it is to be.

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
        basis = read_basis(registry, folder)
        state = basis.state
        before = basis.channels.channel(state, name) if name in state.names else empty(name)
        after = check_channel(change(before))
        if after == before:
            return before
        _require_same(before, after)
        root = state.root.signed
        signers = {"targets": (folder.signer_of("targets", root),)}
        online = folder.signer_of("online", root)
        content, path = after.to_json(), target_path(name)
        state.targets.signed.targets[path] = roles.target(path, content)
        publish(basis, signers, online, {path: content})
        return after


def renew(
    registry: Store,
    keys: str,
    *,
    days: int | None = None,
    accept_older: bool = False,
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

    Returns:
        The new state, and what was signed.

    Raises:
        StropError: as `change` does. Channels that are expired are renewed only by a folder that
            has seen the very state that the registry has: nothing tells how old another one is.
    """
    folder = KeyFolder(keys)
    with folder.alone():
        basis = (read_older_basis if accept_older else read_basis)(registry, folder)
        root, time = basis.state.root.signed, utc_now()
        signers = {}
        for role in ("root", "targets"):
            due = roles.share_left(role, basis.state.signed(role), time) <= _DUE
            must = accept_older and role == "targets"
            if must or (due and folder.has(KEY_OF[role])):
                signers[role] = (folder.signer_of(KEY_OF[role], root),)
        return publish(basis, signers, folder.signer_of("online", root), {}, days)


def replace_key(registry: Store, keys: str, key: str) -> Renewed:
    """Replace a key by a new one; devices follow by themselves.

    Args:
        registry: the repository.
        keys: the folder of keys; "root" and "online" must be there.
        key: the one to replace: "root", "targets" or "online". A lost "targets" or "online" key can
            be replaced; a lost "root" key cannot, since devices follow only what it has signed.

    Returns:
        The new state, and what was signed.

    Raises:
        StropError: as `change` does.
    """
    folder = KeyFolder(keys)
    with folder.alone():
        basis = read_basis(registry, folder)
        if key in basis.settled:  # by this: an attempt whose root.json devices have already
            return Renewed(basis.state, ())
        root = basis.state.root.signed
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
        done = publish(basis, signers, online, {})
        folder.settle(done.state.root.signed, done.state.files["root"])
        return done


def look(registry: Store, keys: str) -> tuple[Channels, State]:
    """Verify what the registry has, with the memory of a folder of keys.

    Raises:
        StropError: as `change` does.
    """
    folder = KeyFolder(keys)
    with folder.alone():
        basis = read_basis(registry, folder)
        return basis.channels, basis.state


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
