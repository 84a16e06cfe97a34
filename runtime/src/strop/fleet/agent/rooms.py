"""What the agent keeps of a release until it is installed: one pulled file, or its parts.

<bundle>.strop    pulled whole
parts/            what has come of one, which a later pull resumes
"""

from __future__ import annotations

import contextlib
import os
import shutil

from strop import durable
from strop.bundle.digest import is_sha256
from strop.install import store

_WHOLE = ".strop"


def whole(folder: str, bundle: str) -> str:
    """Return the path of a pulled release."""
    return f"{folder}/{bundle}{_WHOLE}"


def parts(folder: str) -> str:
    """Return the folder of what has come of a release."""
    return f"{folder}/parts"


def is_whole(folder: str, bundle: str) -> bool:
    """Tell whether a release was pulled, byte for byte."""
    return store.holds(whole(folder, bundle), bundle)


def clear(folder: str, keep: str | None = None) -> None:
    """Remove pulled files and drafts; what cannot be removed stays.

    Args:
        folder: the agent's folder.
        keep: the bundle that is about to be pulled: its file and the parts stay.
    """
    with contextlib.suppress(OSError):
        for entry in sorted(os.listdir(folder)):  # noqa: PTH208  names
            is_pulled = entry.endswith(_WHOLE) and is_sha256(entry.removesuffix(_WHOLE))
            if entry.endswith(durable.DRAFT) or (is_pulled and entry != f"{keep}{_WHOLE}"):
                durable.remove(f"{folder}/{entry}")
    if keep is None:
        shutil.rmtree(parts(folder), ignore_errors=True)
