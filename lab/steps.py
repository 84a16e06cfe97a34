"""Long steps that are done once: complete or not at all, reported, and resumable."""

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
    """Run a program, and return its output.

    Args:
        command: the program and its arguments.
        doing: the step, for messages.

    Raises:
        LabError: it fails; the message has the step and the last line of its output.
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
    """Make a folder again, unless it is already finished from this recipe.

    The stamp comes last, so an interrupted folder is made again.

    Args:
        folder: the folder; its content is removed first.
        recipe: texts that identify the sources of the folder.
        by: a function that fills the empty folder.
    """
    if made(folder, *recipe):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    by(folder)
    (folder / _STAMP).write_text(_digest(recipe), encoding="ascii")


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock on a thing that processes make (exclusive) or use (shared).

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
