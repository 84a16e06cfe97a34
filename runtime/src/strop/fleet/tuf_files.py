"""TUF's files in a registry: the layers of one manifest.

The manifest's tag is `strop.channels`, and each layer's title is the name that TUF gives the file:

    1.root.json 2.root.json ..    every root, so that a device follows them one by one
    timestamp.json 7.snapshot.json 5.targets.json    the current ones
    channels/stable.json ..       the records of the channels

So one request tells a device whether anything is new, putting the manifest changes everything at
once, and no garbage collection takes a file that is in use. Nothing in the manifest is trusted: TUF
verifies each file (docs/decisions/0052-channels.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from strop.errors import RegistryError
from strop.fleet import oci
from strop.fleet.oci import Layer
from strop.fleet.registry import digest_of

TAG = "strop.channels"
URL = "strop:/"  # what TUF puts before the name of a file
ARTIFACT_TYPE = "application/vnd.strop.channels.v1"
FILE_TYPE = "application/vnd.strop.channels.file.v1+json"

MAX_MANIFEST_BYTES = 2**20
MAX_FILES = 2000
# A root of ours has 1.4 kB, a timestamp and a snapshot 0.5 kB, and targets 200 bytes a channel.
LIMITS = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=0,
    root_max_length=64 * 2**10,
    timestamp_max_length=16 * 2**10,
    snapshot_max_length=16 * 2**10,
    targets_max_length=2**20,
)
MAX_FILE_BYTES = LIMITS.targets_max_length


class Store(Protocol):
    """What TUF's files need of a registry; `strop.fleet.registry.Registry` has it."""

    place: str  # the repository's name, for messages

    def manifest(self, which: str, max_bytes: int = ...) -> bytes | None:
        """Return a manifest by its tag; None if there is none."""

    def put_manifest(self, which: str, content: bytes) -> None:
        """Put a manifest under a tag."""

    def has_blob(self, digest: str) -> bool:
        """Tell whether there is such a blob."""

    def blob(self, digest: str, size_bytes: int) -> bytes:
        """Return a verified blob."""

    def put_blob(self, digest: str, content: bytes | memoryview) -> None:
        """Put a blob, unless it is there."""


def write_manifest(layers: Iterable[Layer]) -> bytes:
    """Write the manifest of these files; the same files give the same bytes."""
    return oci.write(ARTIFACT_TYPE, FILE_TYPE, layers)


def read_manifest(content: bytes) -> dict[str, Layer]:
    """Read the names and blobs of the files from a manifest.

    Raises:
        RegistryError: it is malformed, of something else, names a file twice, or names more or
            larger ones than channels have.
    """
    try:
        found = oci.read(content, ARTIFACT_TYPE, f"remove the tag {TAG} that something else wrote")
        layers = oci.read_layers(found, MAX_FILES, MAX_FILE_BYTES)
    except RegistryError as error:
        raise error.within(TAG) from None
    return {layer.name: layer for layer in layers}


class Fetcher(FetcherInterface):
    """Gives TUF its files from a registry.

    Args:
        registry: the repository.
        known: the contents of files that are here already, which are not fetched again.

    Attributes:
        manifest: the manifest; None until a file was asked for, or if there is none.
        files: what the manifest names.
        fetched: the last content given for each role, such as "timestamp"; not yet verified.
        asked: the last file that TUF asked for.
    """

    def __init__(self, registry: Store, known: Iterable[bytes]) -> None:
        self._registry = registry
        self._known = {digest_of(content): content for content in known}
        self._looked = False
        self.manifest: bytes | None = None
        self.files: Mapping[str, Layer] = {}
        self.fetched: dict[str, bytes] = {}
        self.asked = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.asked = url.removeprefix(URL)
        if not self._looked:
            self.manifest = self._registry.manifest(TAG, MAX_MANIFEST_BYTES)
            self.files = {} if self.manifest is None else read_manifest(self.manifest)
            self._looked = True
        layer = self.files.get(self.asked)
        if layer is None:
            raise DownloadHTTPError(f"there is no {self.asked}", 404)
        content = self._known.get(layer.digest)
        if content is None:
            content = self._registry.blob(layer.digest, layer.size_bytes)
        self.fetched[self.asked.removesuffix(".json").rpartition(".")[2]] = content
        return iter((content,))
