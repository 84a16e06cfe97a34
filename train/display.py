"""The progress of a training: a bar on a terminal, a few lines anywhere else."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from train.checkpoints import Progress

_LINES = 10  # between the lines of a log


class Display:
    """A display of the epochs of one training, or of other steps that are counted."""

    def __init__(
        self, console: Console, title: str, epochs: int, done: Progress, unit: str = "epoch"
    ) -> None:
        self._console = console
        self._title = title
        self._unit = unit
        self._epochs = epochs
        self._paced_from: Progress | None = None
        self._bar: Bar | None = None
        if console.is_terminal:
            self._bar = Bar(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                console=console,
            )
            self._task = self._bar.add_task(title, total=epochs, completed=done.epoch, figures="")

    def __enter__(self) -> "Display":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def epoch(self, progress: Progress) -> None:
        """Show that an epoch is done."""
        figures = self._left(progress)
        if progress.history:
            figures = f"validation {progress.history['val_accuracy'][-1]:.2%}, {figures}"
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.epoch, figures=figures)
        elif self._worth_a_line(progress.epoch):
            width = len(str(self._epochs))
            self._console.print(
                f"{self._title}: {self._unit} {progress.epoch:{width}}/{self._epochs}, {figures}"
            )

    def _worth_a_line(self, epoch: int) -> bool:
        return epoch * _LINES // self._epochs > (epoch - 1) * _LINES // self._epochs

    def _left(self, progress: Progress) -> str:
        """Return the time that is left, at the pace since the first epoch shown.

        Only that epoch includes the time of the start.
        """
        if progress.epoch == self._epochs:
            return "done"
        if self._paced_from is None:
            self._paced_from = progress
            return "..."
        passed = progress.seconds - self._paced_from.seconds
        pace = passed / (progress.epoch - self._paced_from.epoch)
        seconds = round(pace * (self._epochs - progress.epoch))
        return f"{seconds // 60}:{seconds % 60:02} left"
