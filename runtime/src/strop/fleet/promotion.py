"""Making a release the one that a whole channel runs."""

from __future__ import annotations

import tempfile

from strop.bundle.open import open_bundle
from strop.errors import ChannelError, InputError, RegistryError
from strop.fleet.artifact import Release, read_manifest
from strop.fleet.channel import Channel
from strop.fleet.channels import Channels, State
from strop.fleet.oci import EMPTY
from strop.fleet.pull import pull
from strop.fleet.registry import Registry, digest_of
from strop.fleet.tuf_files import Store
from strop.install.turn import refusals


def runs_of(channels: Channels, state: State, name: str) -> Release:
    """Return the release that another channel runs.

    Raises:
        ChannelError: there is no such channel, or it runs nothing yet.
        RegistryError: the registry cannot be reached.
    """
    release = channels.channel(state, name).runs
    if release is None:
        raise ChannelError(f"channel {name} runs nothing yet", "name a tag or a digest instead")
    return release


def require_whole(registry: Store, release: Release) -> None:
    """Require that a registry has all of a release: its manifest, and each blob of that.

    Raises:
        RegistryError: something is missing, or the registry cannot be reached.
    """
    mend = "push the bundle again: strop push"
    content = registry.manifest(release.manifest)
    if content is None:
        raise RegistryError(f"the registry has no manifest {release.manifest}", mend)
    needed = (digest_of(EMPTY), *(layer.digest for layer in read_manifest(content).layers))
    for digest in dict.fromkeys(needed):
        if not registry.has_blob(digest):
            raise RegistryError(
                f"{release.manifest} is not whole: the registry lacks {digest}", mend
            )


def require_right(registry: Registry, release: Release, trusted_keys: str | None) -> None:
    """Fetch a release that is not signed into a channel yet, and require that it is what it says.

    Which bundle a tag names, and what that is, is the registry's word alone until then.

    Args:
        registry: the repository.
        release: from the registry's manifest.
        trusted_keys: a file of keys of which one must have signed the bundle; None: those
            configured on this machine, if there are any.

    Raises:
        RegistryError: the registry lacks a part, gives other bytes, or says another name, version
            or target than the bundle's.
        BundleError: the bundle is not one, or it is not signed by a trusted key.
        InstallError: the disk refuses.
    """
    with (
        refusals("fetch the bundle to promote"),
        tempfile.TemporaryDirectory(prefix="strop-promote-") as folder,
    ):
        path = f"{folder}/bundle.strop"
        pull(registry, release, path, parts=f"{folder}/parts")
        manifest = open_bundle(path, trusted_keys).manifest
    for what, said, found in (
        ("name", release.name, manifest.name),
        ("model_version", release.model_version, manifest.model_version),
        ("target", release.target, manifest.target),
    ):
        if said != found:
            raise RegistryError(
                f"{registry.place} says that the {what} of {release.manifest} is {said!r}, and in "
                f"the bundle it is {found!r}",
                "push the bundle again: strop push",
            )


def promote(
    channel: Channel,
    release: Release,
    *,
    allow_downgrade: bool = False,
    allow_stopped: bool = False,
) -> Channel:
    """Return a channel whose devices all run a release; a rollout under way ends.

    Args:
        channel: the channel as it is.
        release: what it is to run.
        allow_downgrade: whether its model_version may be lower than that of what runs now.
        allow_stopped: whether a rollout may have stopped it.

    Raises:
        InputError: it is lower, or was stopped.
    """
    label = f"{release.name} v{release.model_version}"
    now = channel.runs
    if now and release.model_version < now.model_version and not allow_downgrade:
        raise InputError(
            f"channel {channel.channel} runs v{now.model_version}, and {label} is older",
            "--allow-downgrade promotes it all the same",
        )
    if release.bundle in channel.stopped and not allow_stopped:
        raise InputError(
            f"a rollout in channel {channel.channel} has stopped {label}",
            "--allow-stopped promotes it all the same",
        )
    return channel._replace(runs=release, next=None, stopped=channel.stopped_but(release.bundle))
