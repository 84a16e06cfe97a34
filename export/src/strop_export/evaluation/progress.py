"""What is shown while an evaluation runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from strop.commands.terminal import print_note

_LINE_EVERY_S = 10.0


class Status(NamedTuple):
    """How far an evaluation is.

    Attributes:
        units: pieces.
        units_done: those that are counted, in earlier runs too.
        rows: rows counted, in earlier runs too.
        bad_rows: rows set aside.
        per_s: samples a second, of this run.
    """

    units: int
    units_done: int
    rows: int
    bad_rows: int
    per_s: float

    def text(self) -> str:
        """Return the status in words."""
        bad = f", {self.bad_rows:,} set aside" if self.bad_rows else ""
        return f"{self.rows:,} samples{bad}, {self.per_s:,.0f} a second"


Show = Callable[[Status], None]


def lines(say: Callable[[str], None]) -> Show:
    """Return a function that says each status in a line, every ten seconds at most."""
    last = time.monotonic()

    def show(status: Status) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            say(f"{status.units_done} of {status.units} pieces: {status.text()}")

    return show


@contextmanager
def on_terminal() -> Iterator[Show]:
    """Show a bar on stderr, or lines where stderr is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines(print_note)
        return
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(status: Status) -> None:
            bar.update(
                task, total=status.units, completed=status.units_done, description=status.text()
            )

        yield show
