"""Steps that take long and are done once: made whole or not at all, reported, and resumable."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.errors import LabError

_LIMIT_S = 1800
_STAMP = ".made-from"


def call(command: list[str], doing: str) -> str:
    """Run a program, and return what it prints.

    Args:
        command: the program and its arguments.
        doing: what is being done, for messages.

    Raises:
        LabError: it fails; the message is what was being done, and the last thing it said.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{doing}: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise LabError(f"{doing}: {command[0]} gave exit {done.returncode}: {said}")
    return done.stdout


def made(folder: Path, *recipe: str) -> bool:
    """Tell whether a folder was finished from this recipe."""
    try:
        return (folder / _STAMP).read_text(encoding="ascii") == _digest(recipe)
    except OSError:
        return False


def make(folder: Path, *recipe: str, by: Callable[[Path], None]) -> None:
    """Make a folder in place, anew, unless it was finished from this recipe before.

    The stamp comes last, so what was cut off is made again.

    Args:
        folder: what to make; what is in it is removed first.
        recipe: texts that say what the folder is made from.
        by: fills the empty folder.
    """
    if made(folder, *recipe):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    by(folder)
    (folder / _STAMP).write_text(_digest(recipe), encoding="ascii")


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Wait for others that make (exclusive) or use (shared) the same thing.

    Args:
        path: the lock's file; made if missing.
        shared: whether others may use it at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def _digest(recipe: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()
