"""The files that a training keeps while it runs, so that a kill at any moment costs one epoch.

    .mnist-mlp.unfinished/
        lock            held by the training process
        run.json        recipe, seed, versions and device
        epoch-00037/    state.weights.h5 (Keras: weights, optimizer, moving average), history.json

A checkpoint is written under another name and renamed when complete; only then is the previous one
removed. Keras's own BackupAndRestore writes weights and epoch number into two files, one after the
other; if it is killed between them, it trains one epoch twice.
"""

import fcntl
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from train.errors import UnfinishedRun
from train.paths import shown
from train.storage import write_atomically, writing

_WEIGHTS = "state.weights.h5"
_HISTORY = "history.json"
_ANEW = "start again with --restart (make train AGAIN=1)"

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


class Journal:
    """The unfinished training that belongs to one artifact folder."""

    def __init__(self, artifact: Path, identity: Mapping[str, Any]) -> None:
        """Set the folder and the training's identity; nothing is written yet.

        Args:
            artifact: the folder of the finished training.
            identity: the values that must be equal to continue a training; plain JSON values.
        """
        self._folder = artifact.with_name(f".{artifact.name}.unfinished")
        self._identity = json.loads(json.dumps(identity))
        self._lock: IO[str] | None = None

    def open(self, *, resume: bool, restart: bool) -> Progress:
        """Lock the folder, and return the progress of an earlier session.

        Args:
            resume: continue an unfinished training.
            restart: remove it, and start again.

        Raises:
            UnfinishedRun: if there is an unfinished training and neither ``resume`` nor ``restart``
                is set, if it is a different one, or if it is still running.
            OutputError: if the folder cannot be written.
        """
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        latest = self._latest()
        if latest is not None and not restart:
            if not resume:
                raise UnfinishedRun(
                    f"an unfinished training is in {shown(self._folder)} ({self._describe()}, "
                    f"{_epoch(latest)} epochs done): continue it with --resume, or {_ANEW}"
                )
            self._insist_on_same()
            return self._read(latest)
        self._remove_checkpoints()
        self._write_identity()
        return Progress()

    def insist_on_device(self, device: str) -> None:
        """Add the device, which is known only once TensorFlow runs, to the training's identity.

        Args:
            device: its name, as :func:`train.backend.device` returns it.

        Raises:
            UnfinishedRun: if the unfinished training ran on another device.
            OutputError: if the folder cannot be written.
        """
        self._identity["device"] = device
        if self._latest() is None:
            self._write_identity()
        else:
            self._insist_on_same()

    def save(self, model: Any, progress: Progress) -> None:
        """Write a checkpoint of ``model`` (weights and optimizer), then remove the previous one.

        Args:
            model: the compiled Keras model.
            progress: the progress of its training.

        Raises:
            OutputError: if it cannot be written; the previous one is then kept.
        """
        final = self._folder / f"epoch-{progress.epoch:05}"
        partial = final.with_suffix(".partial")
        with writing(final):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                model.save_weights(partial / _WEIGHTS)
                figures = {"history": progress.history, "seconds": progress.seconds}
                (partial / _HISTORY).write_text(json.dumps(figures), encoding="utf-8")
                partial.rename(final)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        self._remove_checkpoints(keep=final)

    def restore(self, model: Any) -> None:
        """Load the latest checkpoint into the compiled ``model``: weights, optimizer, average.

        Without a checkpoint the model is not changed.

        Raises:
            UnfinishedRun: if Keras cannot read it.
        """
        latest = self._latest()
        if latest is None:
            return
        model.optimizer.build(model.trainable_variables)
        try:
            model.load_weights(latest / _WEIGHTS)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(latest, error) from error

    def discard(self) -> None:
        """Remove everything, after the artifact is in place."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Release the lock; keep a checkpoint for a later session, and remove an empty folder."""
        if self._lock is not None:
            if self._latest() is None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel frees it, even on kill -9
        except BlockingIOError:
            lock.close()
            raise UnfinishedRun(
                f"another process is training into {shown(self._folder)} now: wait for it, or "
                f"choose another place with --out"
            ) from None
        self._lock = lock

    def _latest(self) -> Path | None:
        complete = [path for path in self._folder.glob("epoch-*") if path.suffix != ".partial"]
        return max(complete, key=_epoch, default=None)

    def _remove_checkpoints(self, keep: Path | None = None) -> None:
        for path in self._folder.glob("epoch-*"):
            if path != keep:
                shutil.rmtree(path, ignore_errors=True)

    def _write_identity(self) -> None:
        identity = json.dumps(self._identity, indent=2)
        write_atomically(self._folder / "run.json", identity.encode())

    def _read(self, checkpoint: Path) -> Progress:
        try:
            figures = json.loads((checkpoint / _HISTORY).read_text(encoding="utf-8"))
            return Progress(_epoch(checkpoint), figures["history"], figures["seconds"])
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(checkpoint, error) from error

    def _found(self) -> dict[str, Any]:
        try:
            found = json.loads((self._folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        return found if isinstance(found, dict) else {}

    def _describe(self) -> str:
        found = self._found()
        recipe = found.get("recipe")
        name = recipe.get("name") if isinstance(recipe, dict) else None
        return f"recipe {name}, seed {found.get('seed')}"

    def _insist_on_same(self) -> None:
        found = self._found()
        for key, asked in self._identity.items():
            if found.get(key) == asked:
                continue
            difference = _difference(key, found.get(key), asked)
            raise UnfinishedRun(
                f"the unfinished training in {shown(self._folder)} is another one ({difference}): "
                f"ask for the same one to continue it, or {_ANEW}"
            )


def _epoch(checkpoint: Path) -> int:
    number = checkpoint.stem.removeprefix("epoch-")
    return int(number) if number.isdigit() else 0


def _damaged(checkpoint: Path, error: Exception) -> UnfinishedRun:
    reason = (str(error).splitlines() or ["unreadable"])[0]
    return UnfinishedRun(f"the checkpoint {shown(checkpoint)} cannot be read ({reason}): {_ANEW}")


def _difference(key: str, found: Any, asked: Any) -> str:
    """Find the first value that differs, and name it by its dotted name."""
    if isinstance(found, dict) and isinstance(asked, dict):
        for inner in {**found, **asked}:
            if found.get(inner) != asked.get(inner):
                return _difference(f"{key}.{inner}", found.get(inner), asked.get(inner))
    return f"{key} is {found!r} there, {asked!r} asked for"
