"""The progress of an export: numbered steps, and lines about each."""

from __future__ import annotations

from collections.abc import Callable


class Steps:
    """The steps of a work, of which the number is known before it starts."""

    def __init__(self, show: Callable[[str], None], count: int) -> None:
        """Prepare to show steps.

        Args:
            show: called with each line.
            count: the number of steps.
        """
        self._show, self._count, self._number = show, count, 0

    def begin(self, title: str) -> None:
        """Show the next step."""
        self._number += 1
        self._show(f"step {self._number} of {self._count}: {title}")

    def __call__(self, line: str) -> None:
        """Show a line about the current step."""
        self._show(f"  {line}")
