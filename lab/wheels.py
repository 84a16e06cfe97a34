"""PyPI's wheels for a board, installed by the workstation's pip: from a lock, hashes required."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lab.boards import PACKAGES, ROOT, Board, wheel_tags
from lab.errors import LabError
from lab.steps import call

_PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def install_lock(board: Board, site: Path) -> None:
    """Install the board's lock into a site-packages folder.

    Args:
        board: the board, whose `requirements` name the lock; without, nothing is installed.
        site: the folder to install into.

    Raises:
        LabError: a wheel cannot be fetched, or its hash differs.
    """
    if board.requirements is None:
        return
    lock = ROOT / "requirements" / board.requirements
    # pip would check markers and required Pythons against the workstation; the lock did so already.
    options = ["--no-deps", "--ignore-requires-python", "--require-hashes", "--no-compile"]
    where = ["--target", str(site), *platform_options(board)]
    command = [*_PIP, "install", *options, *where, "--requirement", str(lock)]
    call(command, f"installing {lock.name} for {board.name}")


def build_runtime(folder: Path) -> Path:
    """Build the runtime's wheel from the current checkout, with the same bytes each time.

    Args:
        folder: the folder for the wheel.

    Returns:
        The wheel's path.

    Raises:
        LabError: it cannot be built.
    """
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    call([*_PIP, "wheel", *options, str(ROOT / "runtime")], "building the runtime's wheel")
    (wheel,) = folder.glob("strop-*.whl")
    return wheel


def install_file(board: Board, wheel: Path, site: Path) -> None:
    """Install one wheel from the disk into a site-packages folder of a board.

    Raises:
        LabError: it does not exist, or is not a wheel for this board.
    """
    options = ["--no-deps", "--no-index", "--no-compile", "--upgrade", *platform_options(board)]
    call([*_PIP, "install", *options, "--target", str(site), str(wheel)], f"installing {wheel}")


def confirm_absence(board: Board, engine: str) -> None:
    """Confirm with the index that a wheel does not exist, as a board's file says.

    Args:
        board: the board whose file says so.
        engine: the name of the engine in `PACKAGES`.

    Raises:
        LabError: there is one, or the index cannot be reached.
    """
    package = str(PACKAGES[engine])
    if _is_there(package, _CONTROL) and not _is_there(package, platform_options(board)):
        return
    raise LabError(
        f"{package} now has a wheel for {board.name} ({board.platform}, Python {board.python}): "
        f"add {engine!r} to lab/boards/{board.name}.toml, and the package to its lock"
    )


def _is_there(package: str, platform: list[str]) -> bool:
    """Tell whether the index has a wheel.

    pip gives the same answer if it cannot reach the index, so a "no" needs a control: a platform
    that has a wheel.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [*_PIP, "install", "--dry-run", "--no-deps", "--target", folder, *platform]
        try:
            call([*command, package], f"asking for {package}")
        except LabError as error:
            if platform is not _CONTROL and "No matching distribution found" in str(error):
                return False
            raise
        return True


def platform_options(board: Board) -> list[str]:
    """Return the options that make the workstation's pip choose wheels for a board."""
    return _platform(board.python, wheel_tags(board.platform))


def _platform(python: str, tags: Iterable[str]) -> list[str]:
    platforms = [word for tag in tags for word in ("--platform", tag)]
    return ["--only-binary=:all:", "--python-version", python, *platforms]


# Every engine has a wheel for this platform.
_CONTROL = _platform("3.11", wheel_tags("manylinux_2_36_x86_64"))
