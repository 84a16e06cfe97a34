"""Processes that are killed at one of the changes that they make to the disk."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

from tests.reliability import disk

BEFORE, WITHIN, AFTER = "before", "within", "after"


def changes_of(step: Callable[[], object]) -> list[str]:
    """Return the calls of a step that change the disk, by name, in order."""
    names = []

    def note(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        names.append(name)
        return call(*arguments)

    with disk.around(note):
        step()
    return names


def kill_at(number: int, moment: str, step: Callable[[], object]) -> None:
    """Take a step in another process, which is killed at one of its changes."""
    child = os.fork()
    if not child:
        made = itertools.count()

        def change(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            here = next(made) == number
            if here and moment == WITHIN:
                descriptor, content = arguments
                call(descriptor, content[: len(content) // 2])
            if here and moment != AFTER:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments)
            if here:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        try:
            with disk.around(change):
                step()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
