"""A bundle file: every byte is verified before a native parser sees one of them.

This takes two steps, so that an app does not wait for members it does not use. Opening compares the
whole file with the digest at its end. Reading a member compares that member with the manifest.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from strop.bundle import archive, schema
from strop.bundle.digest import sha256_hex
from strop.bundle.files import read_file
from strop.bundle.manifest import FileRef, Golden, Manifest, Variant
from strop.bundle.structs import Struct
from strop.errors import BundleError, printable

if TYPE_CHECKING:  # an app waits for every import
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.trust import PublicKey, Trust

SIGNATURE = "signature.json"  # the one member the manifest need not list: it signs the manifest


class Bundle(Struct):
    """A whole bundle in memory. Its identity, `digest`, is the SHA-256 of its manifest."""

    manifest: Manifest
    digest: str
    members: Mapping[str, memoryview]
    signed_by: PublicKey | None = None  # the trusted key; None where no trust is configured

    def read(self, ref: FileRef | Golden | Variant) -> bytes:
        """Return the bytes of a member, if they have the SHA-256 in the manifest.

        Args:
            ref: the manifest's entry for the member.

        Raises:
            BundleError: they have another. Opening checked that the file is as it was written;
                this checks that the member is the one that the manifest lists.
        """
        content = bytes(self.members[ref.file])
        if sha256_hex(content) != ref.sha256:
            manifest = self.manifest
            raise BundleError(
                f"bundle {manifest.name}-{manifest.target} refused: {ref.file} is not the file "
                "the manifest lists: hash differs",
                "export it again",
            )
        return content

    def check_digests(self) -> None:
        """Compare every member with the manifest, whether it is used or not.

        Raises:
            BundleError: one differs.
        """
        for ref in self.manifest.files():
            self.read(ref)

    def array(self, ref: FileRef | Golden) -> NDArray[Any]:
        """Read a golden array; pickled (object) arrays are refused, never loaded.

        Args:
            ref: the manifest's entry for the array.

        Returns:
            The array as its .npy file has it. Golden inputs are (samples, ...), of the dtype of the
            model's input: uint8, int8 or float32. Golden outputs are float32 (samples, ...).

        Raises:
            BundleError: the member is not an array, or not the one that the manifest lists.
        """
        content = io.BytesIO(self.read(ref))
        try:
            array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
        except Exception as error:  # numpy's reader may raise anything on a bad header
            raise BundleError(
                f"{ref.file} in the bundle is not an array: {printable(str(error))}"
            ) from error
        return array


def read_bundle(path: str, trust: Trust | None = None) -> Bundle:
    """Read and verify a bundle file, whatever trust this device is configured with.

    Args:
        path: the file.
        trust: the keys of which one must have signed it; None: a signature is not looked at.

    Raises:
        BundleError: there is no such file, or it is not, byte for byte, a bundle; or none of the
            keys signed it.
    """
    try:
        data, _ = read_file(path, archive.MAX_ARCHIVE_BYTES)
        return parse_bundle(data, trust)
    except OSError as error:
        why = error.strerror or error
        raise BundleError(f"cannot read bundle {printable(path) or repr(path)}: {why}") from None
    except BundleError as error:
        raise error.within(f"bundle {printable(path)} refused") from None


def parse_bundle(data: bytes | bytearray, trust: Trust | None = None) -> Bundle:
    """Verify a bundle held in memory.

    Args:
        data: the whole bundle.
        trust: the keys of which one must have signed it; None: a signature is not looked at.

    Raises:
        BundleError: the archive is not canonical, the manifest does not parse, or a member is
            missing, unlisted or of another size than the manifest says; or none of the keys signed
            the bundle.
    """
    members = archive.unpack(data)
    manifest = bytes(members[archive.MANIFEST])
    signed_by = None
    if trust is not None:  # before anything that the manifest says counts
        from strop.bundle.signing import require_signature

        signed_by = require_signature(manifest, members.get(SIGNATURE), trust)
    listed = schema.parse(manifest)
    expected = {ref.file for ref in listed.files()} | {archive.MANIFEST}
    for name in sorted(expected - members.keys()):
        raise BundleError(f"{printable(name)} is listed in the manifest and not there")
    for name in sorted(members.keys() - expected - {SIGNATURE}):
        raise BundleError(f"{printable(name)} is there and not listed in the manifest")
    for ref in listed.files():
        if len(members[ref.file]) != ref.bytes:
            raise BundleError(f"{ref.file} is not the file the manifest lists: size differs")
    return Bundle(listed, sha256_hex(manifest), members, signed_by)
