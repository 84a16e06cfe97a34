"""The checkpoints of one network's training: the latest complete one is kept.

A checkpoint is written under another name and renamed when complete; only then is the previous one
removed. Keras's own BackupAndRestore writes weights and epoch number into two files, one after the
other; if it is killed between them, it trains one epoch twice.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train.errors import UnfinishedRun
from train.paths import shown
from train.storage import renamed_when_complete

_WEIGHTS = "state.weights.h5"
_HISTORY = "history.json"
ANEW = "start again with --restart (make train AGAIN=1)"

History = dict[str, list[float]]


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Attributes:
        epoch: epochs done.
        history: each figure, one value per epoch.
        seconds: time spent, over all sessions.
    """

    epoch: int = 0
    history: History = field(default_factory=dict)
    seconds: float = 0.0


class Checkpoints:
    """The checkpoints in one folder."""

    def __init__(self, folder: Path) -> None:
        """Set the folder; nothing is written yet."""
        self._folder = folder

    def latest(self) -> Path | None:
        """Find the latest complete checkpoint."""
        complete = [path for path in self._folder.glob("epoch-*") if path.suffix != ".partial"]
        return max(complete, key=_epoch, default=None)

    def progress(self) -> Progress:
        """Read the progress at the latest checkpoint.

        Raises:
            UnfinishedRun: if it cannot be read.
        """
        latest = self.latest()
        if latest is None:
            return Progress()
        try:
            figures = json.loads((latest / _HISTORY).read_text(encoding="utf-8"))
            return Progress(_epoch(latest), figures["history"], figures["seconds"])
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(latest, error) from error

    def save(self, model: Any, progress: Progress) -> None:
        """Write a checkpoint of ``model`` (weights and optimizer), then remove the previous one.

        Args:
            model: the compiled Keras model.
            progress: the progress of its training.

        Raises:
            OutputError: if it cannot be written; the previous one is then kept.
        """
        final = self._folder / f"epoch-{progress.epoch:05}"
        with renamed_when_complete(final) as partial:
            model.save_weights(partial / _WEIGHTS)
            figures = {
                "history": progress.history,
                "seconds": progress.seconds,
                "random": [state.numpy().tolist() for state in _random_states(model)],
            }
            (partial / _HISTORY).write_text(json.dumps(figures), encoding="utf-8")
        self.remove(keep=final)

    def restore(self, model: Any) -> None:
        """Load the latest checkpoint into the compiled ``model``: weights, optimizer, average.

        Without a checkpoint the model is not changed.

        Raises:
            UnfinishedRun: if Keras cannot read it.
        """
        latest = self.latest()
        if latest is None:
            return
        model.optimizer.build(model.trainable_variables)
        try:
            model.load_weights(latest / _WEIGHTS)
            figures = json.loads((latest / _HISTORY).read_text(encoding="utf-8"))
            for state, value in zip(_random_states(model), figures["random"], strict=True):
                state.assign(value)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(latest, error) from error

    def remove(self, keep: Path | None = None) -> None:
        """Remove all checkpoints, or all but one."""
        for path in self._folder.glob("epoch-*"):
            if path != keep:
                shutil.rmtree(path, ignore_errors=True)


def _random_states(model: Any) -> list[Any]:
    """List the states of random layers (dropout), which Keras does not save with the weights."""
    return [layer.seed_generator.state for layer in model.layers if _is_random(layer)]


def _is_random(layer: Any) -> bool:
    return getattr(layer, "seed_generator", None) is not None


def _epoch(checkpoint: Path) -> int:
    number = checkpoint.stem.removeprefix("epoch-")
    return int(number) if number.isdigit() else 0


def _damaged(checkpoint: Path, error: Exception) -> UnfinishedRun:
    reason = (str(error).splitlines() or ["unreadable"])[0]
    return UnfinishedRun(f"the checkpoint {shown(checkpoint)} cannot be read ({reason}): {ANEW}")
