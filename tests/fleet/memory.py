"""A repository in memory, which tests stop after any upload and make lie."""

from __future__ import annotations

from collections.abc import Callable

from strop.errors import RegistryError
from strop.fleet.registry import digest_of


class Stopped(Exception):
    """The process ended here."""


class Memory:
    """What `strop.fleet.registry.Registry` gives channels, without a network.

    Attributes:
        place: the repository's name.
        manifests: contents by tag.
        blobs: contents by digest.
        writes: changes so far; nothing is counted that was there already.
        allowed: changes after which `Stopped` is raised instead of the next; None: no limit.
        before_put: called before a manifest is put.
        requests: manifests and blobs that were asked for.
    """

    def __init__(self) -> None:
        self.place = "registry.example.com/models/digits"
        self.manifests: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.writes = 0
        self.allowed: int | None = None
        self.before_put: Callable[[], None] = lambda: None
        self.requests: list[str] = []

    def manifest(self, which: str, max_bytes: int = 2**20) -> bytes | None:
        self.requests.append(which)
        return self.manifests.get(which)

    def put_manifest(self, which: str, content: bytes) -> None:
        self.before_put()
        self._write()
        self.manifests[which] = content

    def has_blob(self, digest: str) -> bool:
        return digest in self.blobs

    def blob(self, digest: str, size_bytes: int) -> bytes:
        self.requests.append(digest)
        content = self.blobs.get(digest)
        if content is None or digest_of(content) != digest or len(content) != size_bytes:
            raise RegistryError(f"blob {digest} is not whole")
        return content

    def put_blob(self, digest: str, content: bytes | memoryview) -> None:
        if digest not in self.blobs:
            self._write()
            self.blobs[digest] = bytes(content)

    def copy(self) -> Memory:
        """The repository as it is now: a backup, or what a lying registry goes on giving."""
        other = Memory()
        other.manifests, other.blobs = dict(self.manifests), dict(self.blobs)
        return other

    def become(self, other: Memory) -> None:
        """Give what another repository gives."""
        self.manifests, self.blobs = dict(other.manifests), dict(other.blobs)

    def _write(self) -> None:
        if self.allowed is not None and self.writes >= self.allowed:
            raise Stopped
        self.writes += 1
