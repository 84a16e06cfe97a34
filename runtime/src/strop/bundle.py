"""Opening a bundle: every byte is accounted for before a native parser sees one of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop import archive, schema
from strop.errors import BundleError
from strop.manifest import FileRef, Golden, Manifest, Variant

SIGNATURE = "signature.json"  # the one member the manifest need not list: it signs the manifest


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, wholly in memory. Its identity is the SHA-256 of its manifest."""

    manifest: Manifest
    digest: str
    members: Mapping[str, bytes]

    def read(self, ref: FileRef | Golden | Variant) -> bytes:
        """The bytes of a member the manifest lists; they were verified on opening."""
        return self.members[ref.file]

    def array(self, ref: FileRef | Golden) -> NDArray[Any]:
        """A golden array. Pickled (object) arrays are refused, never loaded."""
        try:
            array: NDArray[Any] = np.lib.format.read_array(
                io.BytesIO(self.read(ref)), allow_pickle=False
            )
        except Exception as error:  # what numpy's reader raises on bad headers has no end
            raise BundleError(f"{ref.file} in the bundle is no array: {error}") from error
        return array


def open_bundle(path: str | PathLike[str]) -> Bundle:
    """Read and verify a bundle file.

    Raises:
        BundleError: there is no such file, or it is not, byte for byte, a bundle.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(archive.MAX_ARCHIVE_BYTES + 1)
        return parse_bundle(data)
    except OSError as error:
        raise BundleError(f"cannot read bundle {path}: {error.strerror or error}") from None
    except BundleError as error:
        raise BundleError(f"bundle {path} refused: {error}") from None


def parse_bundle(data: bytes | bytearray) -> Bundle:
    """Verify a bundle held in memory.

    Raises:
        BundleError: the archive is not canonical, the manifest does not parse, or a member is
            missing, unlisted or not what the manifest says.
    """
    members = archive.unpack(data)
    listed = schema.parse(members[archive.MANIFEST])
    expected = {ref.file for ref in listed.files()} | {archive.MANIFEST}
    for name in sorted(expected - members.keys()):
        raise BundleError(f"{name} is listed in the manifest and not there")
    for name in sorted(members.keys() - expected - {SIGNATURE}):
        raise BundleError(f"{name} is there and not listed in the manifest")
    for ref in listed.files():
        content = members[ref.file]
        if len(content) != ref.bytes or hashlib.sha256(content).hexdigest() != ref.sha256:
            raise BundleError(f"{ref.file} is not the file the manifest lists: hash differs")
    digest = hashlib.sha256(members[archive.MANIFEST]).hexdigest()
    return Bundle(manifest=listed, digest=digest, members=members)
