"""The runtime that belongs to this exporter: made importable, and as the wheel that devices get."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from strop_export.paths import CARRIED, CHECKOUT


def make_importable() -> None:
    """Let `import strop` find the runtime that this exporter's wheel carries, if it is installed.

    The proofs are about that very runtime, so no other version will do.

    Raises:
        ImportError: another version of the runtime is installed here.
    """
    if CHECKOUT:
        return
    carried = _carried()
    if importlib.util.find_spec("strop") is None:
        sys.path.append(str(carried))
    from strop.versions import __version__

    own = carried.name.split("-")[1]
    if __version__ != own:
        raise ImportError(
            f"strop {__version__} is installed, and this exporter proves bundles for strop {own}; "
            f"pip install {carried}"
        )


def copy_wheel(directory: Path) -> Path:
    """Put the runtime's wheel into a folder: the one carried, or one built from the checkout.

    A wheel that is built has the same bytes each time.

    Args:
        directory: the folder; it must exist.

    Returns:
        The wheel's path.
    """
    if not CHECKOUT:
        return Path(shutil.copy(_carried(), directory))
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(CHECKOUT / "runtime")).build(directory=str(directory))
    return Path(wheel)


def _carried() -> Path:
    (wheel,) = CARRIED.glob("strop-*.whl")
    return wheel
