"""The progress of a run on the screen: a bar, the current step, and the time that is left."""

from __future__ import annotations

from collections.abc import Callable

from rich import progress
from rich.console import Console


class Bar:
    """A progress bar in seconds; the steps of an axis share its expected seconds.

    Args:
        console: the screen.
    """

    def __init__(self, console: Console) -> None:
        self._bar = progress.Progress(
            progress.TextColumn("{task.description:44s}"),
            progress.BarColumn(bar_width=None),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=0.0)
        self._each_s: dict[str, float] = {}
        self._left_s: dict[str, float] = {}

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self, axis: str, seconds: float, steps: int) -> None:
        """Add an axis to the bar.

        Args:
            axis: the axis.
            seconds: the expected time.
            steps: the number of steps.
        """
        self._left_s[axis] = seconds
        self._each_s[axis] = seconds / steps
        self._bar.update(self._task, total=sum(self._left_s.values()))

    def steps(self, axis: str) -> Callable[[str], None]:
        """Return a function to call before each step of an axis, with the name of its case."""

        def step(who: str) -> None:
            self._advance(axis, min(self._each_s[axis], self._left_s[axis]), who)

        return step

    def done(self, axis: str) -> None:
        """End an axis, after any number of steps."""
        self._advance(axis, self._left_s[axis], "done")

    def _advance(self, axis: str, seconds: float, who: str) -> None:
        self._left_s[axis] -= seconds
        words = f"{axis.replace('_', ' ')}: {who}"
        self._bar.update(self._task, advance=seconds, description=words[:44])
