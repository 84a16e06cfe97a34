"""Opening a bundle: every byte is accounted for before a native parser sees one of them.

In two steps, so that an app does not wait for what it does not use: on opening the whole is held
against the digest at its end, and each member, when it is read, against the manifest.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from strop import archive, schema
from strop.digest import sha256_hex
from strop.errors import BundleError
from strop.manifest import FileRef, Golden, Manifest, Variant
from strop.structs import Struct

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Sequence
    from os import PathLike
    from typing import Any

    from numpy.typing import NDArray

    from strop.trust import PublicKey, Trust

SIGNATURE = "signature.json"  # the one member the manifest need not list: it signs the manifest

# Where a device says whose bundles it runs: a file of keys. The variable goes before the file.
TRUST_VARIABLE = "STROP_TRUSTED_KEYS"
TRUST_FILE = "/etc/strop/trusted-keys"


class Bundle(Struct):
    """A bundle, wholly in memory. Its identity is the SHA-256 of its manifest."""

    manifest: Manifest
    digest: str
    members: Mapping[str, memoryview]
    signed_by: PublicKey | None = None  # the trusted key; None where no trust is configured

    def read(self, ref: FileRef | Golden | Variant) -> bytes:
        """The bytes of a member, if they are those the manifest lists.

        Raises:
            BundleError: they are not. Opening has seen that the bundle is as it was written; this
                sees that what was written is what the manifest vouches for.
        """
        content = bytes(self.members[ref.file])
        if sha256_hex(content) != ref.sha256:
            manifest = self.manifest
            raise BundleError(
                f"bundle {manifest.name}-{manifest.target} refused: {ref.file} is not the file "
                "the manifest lists: hash differs; export it again"
            )
        return content

    def verify(self) -> None:
        """Hold every member against the manifest, whether it is used or not.

        Raises:
            BundleError: one is not what the manifest says.
        """
        for ref in self.manifest.files():
            self.read(ref)

    def array(self, ref: FileRef | Golden) -> NDArray[Any]:
        """A golden array. Pickled (object) arrays are refused, never loaded."""
        content = io.BytesIO(self.read(ref))
        try:
            array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
        except Exception as error:  # what numpy's reader raises on bad headers has no end
            raise BundleError(f"{ref.file} in the bundle is no array: {error}") from error
        return array


def open_bundle(
    path: str | PathLike[str],
    trusted_keys: str | PathLike[str] | Sequence[str] | None = None,
) -> Bundle:
    """Read and verify a bundle file.

    Args:
        trusted_keys: who may have signed it: the path of a file of keys, or the keys themselves;
            None: those configured on this device, if any are (`configured_trust`).

    Raises:
        BundleError: there is no such file, or it is not, byte for byte, a bundle; or trust is
            configured, and it is not signed by a trusted key, or that cannot be found out.
    """
    if trusted_keys is None:
        trusted_keys = configured_trust()
    if trusted_keys is None:
        return read_bundle(path)
    from strop.trust import read_trust

    return read_bundle(path, read_trust(trusted_keys))


def configured_trust() -> str | None:
    """The file of trusted keys that this device is configured with, readable or not; None: none.

    An app waits for this at every start: it is one look into the environment, and one at the disk.
    """
    named = os.environ.get(TRUST_VARIABLE)
    if named is not None:
        return named
    try:
        os.lstat(TRUST_FILE)
    except FileNotFoundError:
        return None
    except OSError:  # there is something, and reading it will tell what is the matter
        return TRUST_FILE
    return TRUST_FILE


def read_bundle(path: str | PathLike[str], trust: Trust | None = None) -> Bundle:
    """Read and verify a bundle file, whatever trust this device is configured with.

    Args:
        path: the file; or a folder that `strop install` keeps, for the bundle installed there.
        trust: who must have signed it; None: a signature is not looked at.

    Raises:
        BundleError: as `open_bundle`.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  importing pathlib takes 4 ms
            # Not more than it has: memory is taken, and given back, for all that is asked for.
            size = os.fstat(file.fileno()).st_size or archive.MAX_ARCHIVE_BYTES  # 0: a pipe
            if size > archive.MAX_ARCHIVE_BYTES:
                raise archive.too_large(size)
            data = file.read(size + 1)
        return parse_bundle(data, trust)
    except IsADirectoryError:
        from strop.installed import open_current

        return open_current(path, trust)
    except OSError as error:
        raise BundleError(f"cannot read bundle {path}: {error.strerror or error}") from None
    except ValueError as error:  # a path with a zero in it
        raise BundleError(f"cannot read bundle {path!r}: {error}") from None
    except BundleError as error:
        raise BundleError(f"bundle {path} refused: {error}") from None


def parse_bundle(data: bytes | bytearray, trust: Trust | None = None) -> Bundle:
    """Verify a bundle held in memory.

    Args:
        trust: who must have signed it; None: a signature is not looked at.

    Raises:
        BundleError: the archive is not canonical, the manifest does not parse, or a member is
            missing, unlisted or of another size than the manifest says; or the bundle is not
            signed by whom it must be.
    """
    members = archive.unpack(data)
    manifest = bytes(members[archive.MANIFEST])
    signed_by = None
    if trust is not None:  # before anything that the manifest says counts
        from strop.signing import require_signature

        signed_by = require_signature(manifest, members.get(SIGNATURE), trust)
    listed = schema.parse(manifest)
    expected = {ref.file for ref in listed.files()} | {archive.MANIFEST}
    for name in sorted(expected - members.keys()):
        raise BundleError(f"{name} is listed in the manifest and not there")
    for name in sorted(members.keys() - expected - {SIGNATURE}):
        raise BundleError(f"{name} is there and not listed in the manifest")
    for ref in listed.files():
        if len(members[ref.file]) != ref.bytes:
            raise BundleError(f"{ref.file} is not the file the manifest lists: size differs")
    return Bundle(listed, sha256_hex(manifest), members, signed_by)
