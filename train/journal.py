"""The files that a training keeps while it runs, so that a kill at any moment costs little.

    .mnist-mlp.unfinished/
        lock            held by the training process
        run.json        recipe, seed, versions and device
        epoch-00037/    the latest checkpoint (:mod:`train.checkpoints`)
        teacher/        the teacher's, if the recipe has one
        copies/         distorted images with the teacher's logits (:mod:`train.copies`)

Each part is written under another name and renamed when it is complete.
"""

import fcntl
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from train.checkpoints import ANEW, Checkpoints, Progress
from train.copies import Copies
from train.errors import UnfinishedRun
from train.paths import shown
from train.storage import write_atomically, writing


class Journal:
    """The unfinished training that belongs to one artifact folder.

    Attributes:
        checkpoints: the checkpoints of the network.
        teacher: the checkpoints of its teacher.
        copies: the distorted copies with the teacher's logits.
    """

    def __init__(self, artifact: Path, identity: Mapping[str, Any]) -> None:
        """Set the folder and the training's identity; nothing is written yet.

        Args:
            artifact: the folder of the finished training.
            identity: the values that must be equal to continue a training; plain JSON values.
        """
        self._folder = artifact.with_name(f".{artifact.name}.unfinished")
        self.checkpoints = Checkpoints(self._folder)
        self.teacher = Checkpoints(self._folder / "teacher")
        self.copies = Copies(self._folder / "copies")
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
        if self._begun() and not restart:
            done = self._progress()
            if not resume:
                raise UnfinishedRun(
                    f"an unfinished training is in {shown(self._folder)} ({self._describe()}, "
                    f"{done.epoch} epochs done): continue it with --resume, or {ANEW}"
                )
            self._insist_on_same()
            return done
        for part in (self.checkpoints, self.teacher, self.copies):
            part.remove()
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
        if self._begun():
            self._insist_on_same()
        else:
            self._write_identity()

    def discard(self) -> None:
        """Remove everything, after the artifact is in place."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Release the lock; keep what a later session can use, and remove an empty folder."""
        if self._lock is not None:
            if not self._begun():
                shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.close()
            self._lock = None

    def _begun(self) -> bool:
        parts = (self.checkpoints.latest(), self.teacher.latest(), *self.copies.complete())
        return any(part is not None for part in parts)

    def _progress(self) -> Progress:
        done = self.checkpoints.progress()
        if done.epoch:
            return done
        return Progress(seconds=max(self.teacher.progress().seconds, self.copies.seconds()))

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

    def _write_identity(self) -> None:
        identity = json.dumps(self._identity, indent=2)
        write_atomically(self._folder / "run.json", identity.encode())

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
                f"ask for the same one to continue it, or {ANEW}"
            )


def _difference(key: str, found: Any, asked: Any) -> str:
    """Find the first value that differs, and name it by its dotted name."""
    if isinstance(found, dict) and isinstance(asked, dict):
        for inner in {**found, **asked}:
            if found.get(inner) != asked.get(inner):
                return _difference(f"{key}.{inner}", found.get(inner), asked.get(inner))
    return f"{key} is {found!r} there, {asked!r} asked for"
