"""A run on the screen: one bar, what it is at, and the time that is left."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich import progress
from rich.console import Console


class Bar:
    """A bar in seconds: steps of different axes take as long as their axis expects of them."""

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def expect(self, axis: str, seconds: float, steps: int) -> None:
        self._left_s[axis] = seconds
        self._each_s[axis] = seconds / steps
        self._bar.update(self._task, total=sum(self._left_s.values()))

    def steps(self, axis: str) -> Callable[[str], None]:
        def step(who: str) -> None:
            self._advance(axis, min(self._each_s[axis], self._left_s[axis]), who)

        return step

    def done(self, axis: str) -> None:
        self._advance(axis, self._left_s[axis], "done")

    def _advance(self, axis: str, seconds: float, who: str) -> None:
        self._left_s[axis] -= seconds
        words = f"{axis.replace('_', ' ')}: {who}"
        self._bar.update(self._task, advance=seconds, description=words[:44])
