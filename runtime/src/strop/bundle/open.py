"""Opening a bundle by its path, a file or a folder, with the trust configured on this device."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from strop.bundle.file import read_bundle
from strop.bundle.files import path_of

if TYPE_CHECKING:  # an app waits for every import
    from collections.abc import Sequence
    from os import PathLike

    from strop.bundle.file import Bundle
    from strop.bundle.trust import Trust

# Where a device says whose bundles it runs: a file of keys. The variable has precedence.
TRUST_VARIABLE = "STROP_TRUSTED_KEYS"
TRUST_FILE = "/etc/strop/trusted-keys"


def open_bundle(
    path: str | PathLike[str],
    trusted_keys: str | PathLike[str] | Sequence[str] | None = None,
) -> Bundle:
    """Read and verify a bundle.

    Args:
        path: the file; or a folder that `strop install` keeps, for the bundle installed there.
        trusted_keys: who may have signed it: the path of a file of keys, or the keys themselves;
            None: those configured on this device, if there are any (`configured_trust`).

    Raises:
        BundleError: there is no such file, or it is not, byte for byte, a bundle; or trust is
            configured, and no trusted key signed it, or the signature cannot be verified.
        InputError: an argument is of another type.
    """
    path = path_of(path, "path")
    trust = trust_in(trusted_keys)
    if os.path.isdir(path):  # noqa: PTH112  importing pathlib takes 4 ms
        from strop.bundle.installed import open_current

        return open_current(path, trust)
    return read_bundle(path, trust)


def trust_in(trusted_keys: str | PathLike[str] | Sequence[str] | None) -> Trust | None:
    """Return the keys of which one must have signed a bundle; None: trust is not configured.

    Args:
        trusted_keys: as `open_bundle` takes them.

    Raises:
        BundleError: the file of keys cannot be read or understood.
        InputError: the argument is of another type.
    """
    if trusted_keys is None:
        trusted_keys = configured_trust()
    if trusted_keys is None:
        return None
    from strop.bundle.trust import read_trust

    return read_trust(trusted_keys)


def configured_trust() -> str | None:
    """Return the path of this device's configured file of trusted keys; None if there is none.

    The file may be unreadable. An app waits for this at every start, so it looks once into the
    environment, and once at the disk.
    """
    named = os.environ.get(TRUST_VARIABLE)
    if named is not None:
        return named
    try:
        os.lstat(TRUST_FILE)
    except FileNotFoundError:
        return None
    except OSError:  # something is there, and reading it will tell what is wrong
        return TRUST_FILE
    return TRUST_FILE
