"""Putting a bundle into a registry: the members that it lacks, then the manifest."""

from __future__ import annotations

import os
import tempfile
from typing import NamedTuple

from strop.bundle.archive import MAX_ARCHIVE_BYTES
from strop.bundle.file import parse_bundle
from strop.bundle.files import read_file
from strop.bundle.trust import Trust
from strop.errors import BundleError, InputError, RegistryError, printable
from strop.fleet import patch
from strop.fleet.artifact import (
    Artifact,
    Release,
    patch_tag,
    read_manifest,
    write_manifest,
    write_patch_manifest,
)
from strop.fleet.oci import EMPTY
from strop.fleet.pull import MAX_PATCH_SHARE, Progress, find, lacked_bytes, pull
from strop.fleet.registry import Registry, digest_of


class Pushed(NamedTuple):
    """What a push has done."""

    release: Release
    tag: str
    members: int
    new_members: int  # that the registry did not have
    sent_bytes: int  # of blobs, the patch among them
    patch_bytes: int | None  # of the patch; None: none was asked for, or it would save too little


def push(
    source: str,
    registry: Registry,
    tag: str | None = None,
    *,
    since: str | None = None,
    replace: bool = False,
    trust: Trust | None = None,
    progress: Progress = lambda step: None,
) -> Pushed:
    """Put a bundle into a registry; the manifest comes last, so a release is whole or not there.

    Args:
        source: the bundle file.
        registry: where to.
        tag: of the release; None: v<model_version>-<target>.
        since: the tag or digest of a release that devices have: also put a patch from there.
        replace: whether the tag may be moved from another bundle.
        trust: the keys of which one must have signed it; None: a signature is not looked at.
        progress: told each step.

    Raises:
        BundleError: it is not a whole bundle, or no key signed it. Nothing was sent.
        InputError: the tag names another bundle, or `since` the same. Nothing was sent.
        RegistryError: the registry cannot be reached, or refuses.
    """
    before = registry.sent_bytes
    data = _read(source)
    try:
        bundle = parse_bundle(data, trust)
        bundle.check_digests()
    except BundleError as error:
        raise error.within(f"bundle {printable(source)} refused") from None
    content = write_manifest(bundle.manifest, data, bundle.members)
    artifact = read_manifest(content)
    release = artifact.release
    tag = tag or f"v{release.model_version}-{release.target}"
    _require_free(registry, tag, release, replace=replace)
    old = find(registry, since) if since else None
    if old and old.bundle == release.bundle:
        raise InputError(f"{since} is this bundle", "name the release that devices have now")
    progress(f"{release.label} to {registry.place}")
    found = 0
    for number, (name, member) in enumerate(bundle.members.items(), 1):
        progress(f"{name} to {registry.place}: {number} of {len(bundle.members)}")
        sent = registry.sent_bytes
        registry.put_blob(digest_of(member), member)
        found += registry.sent_bytes == sent
    registry.put_blob(digest_of(EMPTY), EMPTY)
    if registry.manifest(tag) != content:
        registry.put_manifest(tag, content)
    patch_bytes = None
    if old:
        progress(f"a patch from {old.label}")
        patch_bytes = _push_patch(registry, artifact, content, data, old)
    return Pushed(
        release,
        tag,
        len(bundle.members),
        len(bundle.members) - found,
        registry.sent_bytes - before,
        patch_bytes,
    )


def _read(source: str) -> bytes:
    try:
        data, _ = read_file(source, MAX_ARCHIVE_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BundleError(f"cannot read bundle {printable(source)}: {why}") from None
    return data


def _require_free(registry: Registry, tag: str, release: Release, *, replace: bool) -> None:
    """Require that a tag is free, or is of this bundle."""
    content = registry.manifest(tag)
    if content is None or replace:
        return
    try:
        there = read_manifest(content).release
    except RegistryError:
        what = "is something else than a bundle"
    else:
        if there.bundle == release.bundle:
            return
        what = f"is {there.label}, bundle {there.bundle[:16]}, and this is {release.bundle[:16]}"
    raise InputError(
        f"{registry.place}:{tag} is there already: it {what}",
        "choose another tag, or --replace moves it",
    )


def _push_patch(
    registry: Registry, artifact: Artifact, content: bytes, data: bytes, old: Release
) -> int | None:
    """Put the patch from an older release; return its bytes, or None if devices would not take it.

    They take it if it has at most half of the bytes of the members that they lack.
    """
    with tempfile.TemporaryDirectory(prefix="strop-") as folder:
        path = os.path.join(folder, "old")  # noqa: PTH118
        pull(registry, old, path, parts=os.path.join(folder, "parts"))  # noqa: PTH118
        base = _read(path)
    lacked = lacked_bytes(artifact.layers, base)
    made = patch.make(data, base)
    if len(made) > lacked * MAX_PATCH_SHARE:
        return None
    tag = patch_tag(artifact.release.bundle, old.bundle)
    registry.put_blob(digest_of(made), made)
    registry.put_manifest(tag, write_patch_manifest(content, made, tag))
    return len(made)
