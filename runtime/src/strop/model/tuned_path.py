"""Where the table is kept that `strop tune` made of a bundle.

Apart from `strop.model.tuned`, which reads it: an app waits for every import, and most devices were
never tuned.
"""

from __future__ import annotations

import os


def path_of(digest: str) -> str | None:
    """Where the table of a bundle is kept; None where there is no home for a cache.

    That is XDG_CACHE_HOME, or .cache in HOME. A relative path is none, as the XDG specification
    has it.
    """
    home = os.environ.get("HOME", "")
    for folder in (os.environ.get("XDG_CACHE_HOME", ""), home and f"{home}/.cache"):
        if folder.startswith("/"):
            return f"{folder}/strop/tune/{digest}.json"
    return None


def is_there(digest: str) -> bool:
    """Whether anything is kept of a bundle, sound or not."""
    path = path_of(digest)
    return path is not None and os.path.lexists(path)
