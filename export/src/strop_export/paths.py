"""The paths in this package, those of what its wheel carries, and the caches.

The package runs from a checkout, or installed from its wheel. The wheel carries the runtime's wheel
and the devices' locks in a folder of the package; a checkout has them beside the package.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent
TARGETS: Final = PACKAGE / "targets"
FLOORS: Final = PACKAGE / "floors"
TOLERANCES: Final = PACKAGE / "tolerances.toml"

CARRIED: Final = PACKAGE / "carried"  # in the wheel alone
CHECKOUT: Final = None if CARRIED.is_dir() else PACKAGE.parents[2]  # None: installed
NATIVE: Final = CHECKOUT / "native" if CHECKOUT else CARRIED / "native"
REQUIREMENTS: Final = CHECKOUT / "requirements" if CHECKOUT else CARRIED / "requirements"


def cache(part: str) -> Path:
    """Return the folder that keeps one kind of things: in the checkout, or else the user's.

    The user's is in XDG_CACHE_HOME, or else in ~/.cache. A relative path does not count, as the XDG
    Base Directory Specification says.

    Args:
        part: the kind: "engines" or "floors".
    """
    if CHECKOUT:
        return CHECKOUT / ".cache" / part
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path("~/.cache").expanduser()) / "strop-export" / part
