"""The worker processes of a run, with the cases that are built, open or left out."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import packages
from benchmarks.cases import HELPERS, Case, peer
from benchmarks.environments import Environments
from benchmarks.files import CACHE, Files
from benchmarks.peers import Absent
from benchmarks.turns import Pace
from benchmarks.workers import Worker, WorkerLost
from strop.device.cpu import this_cpu

BUILT = CACHE / "built"
_BUILD_S, _WORK_S = 300.0, 90.0  # longer counts as hanging

T = TypeVar("T")


@dataclass(frozen=True)
class Built:
    """The file that a case opens, and the time to build it from an exported file."""

    path: Path
    seconds: float | None = None  # None: it is the exported file
    remembered: bool = False  # it was built and timed in an earlier run


class Crew:
    """The processes of a run: one for each group of cases that are compared with each other.

    Only one process works at a time, while the parent waits for it. A case that fails, dies, hangs
    or gives wrong answers is left out from then on, with the reason, and its process is started
    again for the others.

    Args:
        environments: the environments of the peers.
        files: the files that the cases open.
    """

    def __init__(self, environments: Environments, files: Files) -> None:
        self.environments = environments
        self.files = files
        self._absent: dict[tuple[Case, int | None], str] = {}  # at a batch, or at all batches
        self._workers: dict[str, Worker] = {}
        self._open: dict[str, set[tuple[Case, int]]] = {}  # by process
        self._built: dict[Case, Built] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def absent(self, case: Case, batch: int | None = None) -> str:
        """Return why a case is left out; empty if it is not.

        Args:
            case: the case.
            batch: for that size only, or None for any.
        """
        return self._absent.get((case, None)) or self._absent.get((case, batch), "")

    def leave_out(self, case: Case, why: str, batch: int | None = None) -> None:
        """Leave a case out from now on.

        Args:
            case: the case.
            why: the reason; the first one given is kept.
            batch: leave it out with batches of that size only; None for all.
        """
        self._absent.setdefault((case, batch), why)

    def built(self, case: Case) -> Built | None:
        """Return the file that a case opens, and build it if needed.

        Returns:
            None if the case is or has to be left out.
        """
        return self._try(case, None, lambda: self._build(case))

    def open(self, case: Case, batch: int) -> list[int] | None:
        """Open a case for batches of a size.

        Args:
            case: the case.
            batch: images per call.

        Returns:
            The classes of the first `batch` images, or None if the case is or has to be left out.
        """
        return self._try(case, batch, lambda: self._opened(case, batch))

    def answer(self, case: Case, batch: int, limit_s: float) -> NDArray[np.float32] | None:
        """Get a case's answers to the test set, batch by batch.

        Args:
            case: the case.
            batch: images per call.
            limit_s: seconds after which it stops, with the answers that it has by then.

        Returns:
            float32 (images answered, classes), or None if the case is or has to be left out.
        """

        def ask() -> NDArray[np.float32]:
            out = self.files.folder / "answer.npy"
            self._ask(case, batch, do="answer", out=str(out), limit_s=limit_s)
            answers: NDArray[np.float32] = np.load(out)
            return answers

        return self._try(case, batch, ask)

    def turn(self, case: Case, batch: int, pace: Pace) -> NDArray[np.float64] | None:
        """Time one turn of a case.

        Args:
            case: the case.
            batch: images per call.
            pace: the length of the turn.

        Returns:
            Durations of calls in microseconds, float64 (calls,), or None if the case is or has to
            be left out.
        """

        def ask() -> NDArray[np.float64]:
            reply = self._ask(case, batch, do="turn", pace=list(pace))
            return np.array(reply["ns"], np.float64) / 1000

        return self._try(case, batch, ask)

    def close(self, cases: Iterable[Case]) -> None:
        """Close everything that these cases have open."""
        gone, lost = set(cases), []
        for process, opened in self._open.items():
            closing = {pair for pair in opened if pair[0] in gone}
            if closing:
                opened -= closing
                keys = [_key(*pair) for pair in closing]
                try:
                    self._workers[process].ask(_WORK_S, do="close", keys=keys)
                except (Absent, WorkerLost):  # the next case gets a new process
                    lost.append(process)
        for process in lost:
            del self._open[process]
            self._workers.pop(process).close()

    def end(self, *, keeping: Iterable[str] = ()) -> None:
        """End all processes; a later request for a case starts a new one.

        Args:
            keeping: names of processes (`Case.process`) to keep.
        """
        for process in self._workers.keys() - set(keeping):
            del self._open[process]
            self._workers.pop(process).close()

    def _try(self, case: Case, batch: int | None, do: Callable[[], T]) -> T | None:
        if self.absent(case, batch):
            return None
        try:
            return do()
        except Absent as error:
            self.leave_out(case, str(error), batch)
        except WorkerLost as error:
            self.leave_out(case, str(error), batch)
            del self._open[case.process]
            del self._workers[case.process]
        return None

    def _ask(self, case: Case, batch: int, **request: Any) -> dict[str, Any]:
        """Ask an open case; open it again if another case has killed its process."""
        if (case, batch) not in self._open.get(case.process, ()):
            self._opened(case, batch)
        return self._worker(case).ask(_WORK_S, key=_key(case, batch), **request)

    def _opened(self, case: Case, batch: int) -> list[int]:
        path = self._build(case).path
        reply = self._worker(case).ask(
            _WORK_S,
            do="open",
            key=_key(case, batch),
            module=case.module,
            loop=case.loop,
            precision=case.precision,
            path=str(path),
            batch=batch,
            images=str(self.files.dense if case.is_dense else self.files.images),
            classes=self.files.classes,
        )
        self._open[case.process].add((case, batch))
        classes: list[int] = reply["classes"]
        return classes

    def _build(self, case: Case) -> Built:
        case = case.usual  # both open the same file
        if case not in self._built:
            path = self.files.path(case.file, case.engine, case.precision)
            module = peer(case.module)
            builds = hasattr(module, "build")
            self._built[case] = self._made(case, path) if builds else Built(path)
        return self._built[case]

    def _made(self, case: Case, source: Path) -> Built:
        """Return the file that the case's `build` makes.

        It is kept while the file, the code that builds it, the packages and the CPU stay the same.
        """
        site_packages = self.environments.site_packages(case.environment)
        content = hashlib.sha256(source.read_bytes())
        content.update(repr((this_cpu(), packages.versions(site_packages))).encode())
        for name in (case.module, *HELPERS):
            code = Path(peer(name).__file__)
            for file in sorted(code.parent.glob(f"{code.stem}.*")):  # some have C beside them
                content.update(file.read_bytes())
        words = re.sub(r"[^\w.]+", "-", f"{self.files.artifact.name} {case.name}")
        folder = BUILT / f"{words}-{content.hexdigest()[:16]}"
        note = folder / "built.json"
        if note.is_file():
            said = json.loads(note.read_text(encoding="utf-8"))
            return Built(Path(said["path"]), said["seconds"], remembered=True)
        for old in BUILT.glob(f"{words}-{'?' * 16}"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        said = self._worker(case).ask(
            _BUILD_S,
            do="build",
            module=case.module,
            loop=case.loop,
            precision=case.precision,
            path=str(source),
            folder=str(folder),
        )
        draft = note.with_suffix(".part")
        draft.write_text(json.dumps(said), encoding="utf-8")
        draft.replace(note)
        return Built(Path(said["path"]), said["seconds"])

    def _worker(self, case: Case) -> Worker:
        process = case.process
        if process not in self._workers:
            python = self.environments.python(case.environment)
            log = CACHE / "log" / f"{process}.txt"
            variables = self.environments.variables(case.isa)
            self._workers[process] = Worker(python, variables=variables, log=log)
            self._open[process] = set()
        return self._workers[process]


def _key(case: Case, batch: int) -> str:
    """Return the worker's name for an opened case."""
    return f"{case.name}, {batch}"
