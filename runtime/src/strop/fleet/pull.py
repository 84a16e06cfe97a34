"""Fetching a bundle from a registry: the members that are not here, or a patch.

The members give the very bytes of the bundle back, because a bundle can be written in one way only.
What comes out has the SHA-256 of the release, and opens as a bundle, or nothing is written.
"""

# No wait for pathlib:
# ruff: noqa: PTH108, PTH118, PTH208

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from strop import durable
from strop.bundle.archive import MAX_ARCHIVE_BYTES, pack, unpack
from strop.bundle.digest import sha256_hex
from strop.bundle.file import parse_bundle
from strop.bundle.files import read_file
from strop.errors import BundleError, InstallError, RegistryError, printable
from strop.fleet import patch
from strop.fleet.artifact import (
    Release,
    patch_tag,
    read_manifest,
    read_patch_manifest,
)
from strop.fleet.oci import Layer, malformed
from strop.fleet.registry import Registry, digest_of
from strop.install.turn import refusals

MAX_PATCH_SHARE = 0.5  # of what the members would take: a patch takes more time and memory

Progress = Callable[[str], None]
Check = Callable[[bytes], object]  # raises BundleError for what must not be written


class Pulled(NamedTuple):
    """How a bundle came."""

    received_bytes: int  # of blobs; those of an interrupted call before are not counted
    by: str  # "members" or "patch"


def find(registry: Registry, which: str) -> Release:
    """Return the release that a tag or a digest names.

    Raises:
        RegistryError: there is none, it is not a bundle, or the registry cannot be reached.
    """
    content = registry.manifest(which)
    if content is None:
        raise RegistryError(f"{registry.place} has no {which}", "strop push puts bundles there")
    return read_manifest(content).release


def check_whole(data: bytes) -> None:
    """Require that bytes are a bundle, and each member the one that its manifest lists.

    Raises:
        BundleError: they are not.
    """
    parse_bundle(data).check_digests()


def pull(
    registry: Registry,
    release: Release,
    path: str,
    *,
    parts: str,
    base: str | None = None,
    progress: Progress = lambda step: None,
    check: Check = check_whole,
) -> Pulled:
    """Fetch a release into a file.

    Args:
        registry: where it is.
        release: from a signed channel, or from `find`.
        path: the file; one that is there is replaced at once.
        parts: a folder for what is under way, made if it is missing. A later call resumes it;
            whatever else is in it is removed, and at the end it is empty.
        base: a bundle file that is here, whose members are not fetched again, and which a patch may
            start from. One that is missing or damaged is not used.
        progress: told each step.
        check: raises BundleError for a bundle that must not be written.

    Raises:
        RegistryError: the registry cannot be reached, or gives other bytes than the release's.
        BundleError: the bundle is refused.
        InstallError: the disk refuses, or another process is pulling into `parts`.
    """
    before = registry.received_bytes
    content = registry.manifest(release.manifest)
    if content is None:
        raise RegistryError(
            f"{registry.place} has no manifest {release.manifest}", "push the bundle again"
        )
    artifact = read_manifest(content)
    if artifact.release != release:
        raise RegistryError(
            f"the manifest of {release.label} in {registry.place} is of another bundle",
            "push the bundle again",
        )
    old = _read_base(base)
    members = _members_of(old)
    layers = {layer.digest: layer for layer in artifact.layers if layer.digest not in members}
    for layer in artifact.layers:  # a member that is here may be larger than its layer says
        if layer.digest in members and layer.size_bytes != len(members[layer.digest]):
            raise malformed(f"{layer.name!r} does not have {layer.size_bytes} bytes")
    with refusals(f"write into {printable(parts)}"):
        durable.make_folder(parts, 0o700)
    with _alone(parts):
        label = f"{release.label} from {registry.place}"
        there = _sizes(parts)
        missing = sum(
            layer.size_bytes - there.get(layer.digest[7:], 0) for layer in layers.values()
        )
        data, by = None, "patch"
        if old and missing:
            data = _by_patch(registry, release, old, missing, parts, label, progress)
        if data is None:
            by = "members"
            _clear(parts, keep=[digest[7:] for digest in layers])
            _fetch(registry, list(layers.values()), parts, label, progress)
            for digest in layers:
                with refusals(f"read {printable(parts)}"):
                    members[digest], _ = read_file(_part(parts, digest), MAX_ARCHIVE_BYTES)
            try:
                data = pack({layer.name: members[layer.digest] for layer in artifact.layers})
            except BundleError as error:
                _clear(parts)
                raise RegistryError(f"{label} is not a bundle: {error.problem}") from None
            if sha256_hex(data) != release.bundle:
                _clear(parts)
                raise RegistryError(
                    f"{label} is not the bundle that its manifest names", "push the bundle again"
                )
        try:
            check(data)
        except BundleError as error:
            _clear(parts)
            raise error.within(label) from None
        with refusals(f"write {printable(path)}"):
            durable.write(path, data)
        _clear(parts)
        return Pulled(registry.received_bytes - before, by)


def _by_patch(
    registry: Registry,
    release: Release,
    old: bytes,
    missing_bytes: int,
    parts: str,
    label: str,
    progress: Progress,
) -> bytes | None:
    """Return the bundle by a patch; None if there is none, or it is large or wrong.

    A wrong one is no reason to go without the release: its members are verified as well.
    """
    content = registry.manifest(patch_tag(release.bundle, sha256_hex(old)))
    if content is None:
        return None
    try:
        layer = read_patch_manifest(content)
        if layer.size_bytes > missing_bytes * MAX_PATCH_SHARE:
            return None
        _clear(parts, keep=[layer.digest[7:]])
        _fetch(registry, [layer], parts, f"the patch to {label}", progress)
        with refusals(f"read {printable(parts)}"):
            found, _ = read_file(_part(parts, layer.digest), MAX_ARCHIVE_BYTES)
        data = patch.apply(found, old, release.bundle_bytes)
    except RegistryError:
        return None
    return data if sha256_hex(data) == release.bundle else None


def _fetch(
    registry: Registry, layers: list[Layer], parts: str, label: str, progress: Progress
) -> None:
    """Bring blobs into the folder, each under its digest."""
    total = sum(layer.size_bytes for layer in layers)
    done = 0
    for layer in layers:

        def moved(so_far: int, done: int = done) -> None:
            progress(f"{label}: {(done + so_far) / 1e6:.1f} of {total / 1e6:.1f} MB")

        registry.fetch(layer.digest, layer.size_bytes, _part(parts, layer.digest), moved)
        done += layer.size_bytes


def _read_base(path: str | None) -> bytes:
    """Return the bytes of a bundle file that is here; b"" if it cannot be used."""
    if path is None:
        return b""
    try:
        data, _ = read_file(path, MAX_ARCHIVE_BYTES)
        unpack(data)
    except (OSError, BundleError):
        return b""
    return data


def lacked_bytes(layers: Iterable[Layer], base: bytes) -> int:
    """Count the bytes of the blobs that a device with another bundle lacks.

    Args:
        layers: of the release.
        base: the other bundle; b"" for none.
    """
    there = _members_of(base)
    return sum({la.digest: la.size_bytes for la in layers if la.digest not in there}.values())


def _members_of(data: bytes) -> dict[str, bytes | memoryview]:
    """Return the members of a bundle by their digests."""
    if not data:
        return {}
    return {digest_of(content): content for content in unpack(data).values()}


@contextlib.contextmanager
def _alone(parts: str) -> Iterator[None]:
    """Hold the folder, so that no other process writes or removes what is in it."""
    place = printable(parts)
    with contextlib.ExitStack() as stack:
        with refusals(f"open {place}"):
            folder = os.open(parts, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InstallError(
                    f"another process is pulling into {place}",
                    "wait until it ends, or pull to another file",
                ) from None
        yield


def _part(parts: str, digest: str) -> str:
    return os.path.join(parts, digest[7:])


def _sizes(parts: str) -> dict[str, int]:
    """Return the sizes of what is in the folder, by name."""
    with refusals(f"read {printable(parts)}"), os.scandir(parts) as entries:
        return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries}


def _clear(parts: str, keep: Iterable[str] = ()) -> None:
    """Remove from the folder what is not needed any longer."""
    with refusals(f"write into {printable(parts)}"):
        for name in set(os.listdir(parts)) - set(keep):
            os.unlink(os.path.join(parts, name))
