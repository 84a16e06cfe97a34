"""The place of the table that `strop tune` makes of a bundle.

It is a module of its own, apart from `strop.model.tuned`, which reads the table: an app waits for
every import, and most devices were never tuned.
"""

from __future__ import annotations

import os


def table_path(digest: str) -> str | None:
    """Return the path of a bundle's table; None where there is no home for a cache.

    The cache is in XDG_CACHE_HOME, or else in .cache in HOME. A relative path does not count, as
    in the XDG specification.

    Args:
        digest: of the bundle, in hexadecimal.
    """
    home = os.environ.get("HOME", "")
    for folder in (os.environ.get("XDG_CACHE_HOME", ""), home and f"{home}/.cache"):
        if folder.startswith("/"):
            return f"{folder}/strop/tune/{digest}.json"
    return None


def is_there(digest: str) -> bool:
    """Tell whether a file is kept for a bundle, sound or not."""
    path = table_path(digest)
    return path is not None and os.path.lexists(path)
