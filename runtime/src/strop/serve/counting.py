"""What the served models count of their input, for `strop drift`.

Each bundle has counts of its own, which are saved in a folder. `<name>.json` has those of the
bundle that runs, and goes on where an earlier server of the same bundle ended. Those of a bundle
that another has replaced are in `<name>-<first 12 digits of its digest>.json`.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from strop import durable
from strop.bundle.counts import MAX_COUNTS_BYTES, Counts, add, read_counts
from strop.bundle.files import read_file
from strop.device.logs import log
from strop.errors import InputError, StropError, one_line, printable

if TYPE_CHECKING:
    from strop.model.model import Model
    from strop.serve.repository import Repository

SAVED_S = 60.0  # between two saves
BAD = ".bad"  # added to the name of a file that cannot be gone on with
_DIGITS = 12  # of a digest, in the name of a file
_MODE = 0o644  # an agent of another user may read it, if the umask lets it


class Counting:
    """The counts of a server's models, by bundle. Any number of threads may ask.

    A model that was replaced may still have calls: it is let go at the second look after that.

    Args:
        repository: the models, which count.
        folder: where to save; None: nowhere.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, repository: Repository, folder: str | None) -> None:
        self._repository = repository
        self._folder = _Folder(folder) if folder is not None else None
        self._turn = threading.Lock()
        self._replaced: set[Model] = set()  # those that were at the last look
        self._current: dict[str, str] = {}  # the bundle that runs, or ran last, by name
        # Of models that are let go, and of earlier servers, by bundle; None: there is nothing.
        self._before: dict[str, Counts | None] = {}
        self.look()

    def of(self, name: str) -> Counts:
        """Return what was counted of the bundle that runs.

        Args:
            name: of a model that is loaded.

        Raises:
            NotFound: there is no such model, or it is not loaded.
            StropError: its counting failed.
        """
        bundle = self._repository.get(name).model.counts().bundle
        with self._turn:
            return self._totals()[bundle]

    def look(self, *, last: bool = False) -> None:
        """See which models were replaced; save all counts, if there is a folder.

        Args:
            last: no model has a call any more.
        """
        with self._turn:
            runs = {served.model for _, served in self._repository if served is not None}
            old = {*self._repository.ran} - runs
            ended = old if last else old & self._replaced
            totals = self._totals()
            for model in ended:
                if counts := _counts_of(model):
                    self._before[counts.bundle] = _sum(self._before[counts.bundle], counts)
                self._repository.ran.end(model)
            self._replaced = old - ended
            found = [counts for model in runs if (counts := _counts_of(model))]
            self._current.update((counts.name, counts.bundle) for counts in found)
            if self._folder:
                self._folder.save(totals, self._current)

    def _totals(self) -> dict[str, Counts]:
        """Return all counts, by bundle."""
        found = [counts for model in self._repository.ran if (counts := _counts_of(model))]
        for counts in found:
            if counts.bundle not in self._before:
                earlier = self._folder.earlier(counts) if self._folder else None
                self._before[counts.bundle] = earlier
        totals = {bundle: counts for bundle, counts in self._before.items() if counts}
        for counts in found:
            totals[counts.bundle] = _sum(totals.get(counts.bundle), counts)
        return totals


def _counts_of(model: Model) -> Counts | None:
    """Return what a model has counted; None if that failed, of which the log has a warning."""
    try:
        return model.counts()
    except StropError:
        return None


def _sum(first: Counts | None, second: Counts) -> Counts:
    return add(first, second) if first else second


class _Folder:
    """The files of a server's counts. A disk that refuses is logged: the next save has more."""

    def __init__(self, path: str) -> None:
        self._path = path
        # By the file's name: the bundle that it is of, and the calls of that.
        self._written: dict[str, tuple[str, int]] = {}
        try:
            durable.make_folder(path)
        except OSError as error:
            raise InputError(
                f"cannot make the folder {printable(path)}: {error.strerror or error}",
                "name one that this user may write: --counts",
            ) from None

    def earlier(self, counts: Counts) -> Counts | None:
        """Return what an earlier server has saved of a bundle; None if there is nothing.

        What it has saved of another bundle of this name is put under a name of its own.
        """
        usual, own = f"{counts.name}.json", _own(counts)
        found = []
        for name in (usual, own):
            saved = self._read(name, counts)
            if saved and saved.bundle == counts.bundle:
                found.append(saved)
            elif saved and name == usual:
                self._move(usual, _own(saved))
        # If both are of this bundle, a server ended between two steps: one has all of the other.
        return max(found, key=lambda saved: saved.samples, default=None)

    def save(self, totals: Mapping[str, Counts], current: Mapping[str, str]) -> None:
        """Save counts that have changed, those of replaced bundles first.

        Args:
            totals: by bundle.
            current: the bundle that runs, by name.
        """
        runs = {*current.values()}
        try:
            for bundle in sorted(totals, key=runs.__contains__):
                counts = totals[bundle]
                name = f"{counts.name}.json" if bundle in runs else _own(counts)
                of, calls = self._written.get(name, ("", -1))
                # Fewer calls: a model's counting failed, and the file has what it had till then.
                if of != bundle or calls < counts.calls:
                    durable.write(self._file(name), counts.to_json(), _MODE)
                    self._written[name] = bundle, counts.calls
                if bundle in runs and _own(counts) in self._written:
                    durable.remove(self._file(_own(counts)))
                    del self._written[_own(counts)]
        except (OSError, StropError) as error:
            log("counts not saved", logging.WARNING, problem=one_line(str(error)))

    def _read(self, name: str, counts: Counts) -> Counts | None:
        """Return the counts in a file; one that cannot be gone on with is put aside."""
        try:
            data, _ = read_file(self._file(name), MAX_COUNTS_BYTES, links=False)
            saved = read_counts(data)
            if saved.bundle == counts.bundle:
                add(saved, counts)
            self._written[name] = saved.bundle, saved.calls
            return saved
        except FileNotFoundError:
            return None
        except (OSError, StropError) as error:
            log("counts put aside", logging.WARNING, file=name + BAD, problem=one_line(str(error)))
            self._move(name, name + BAD)
            return None

    def _move(self, name: str, other: str) -> None:
        try:
            os.replace(self._file(name), self._file(other))  # noqa: PTH105
        except OSError as error:
            log("counts not moved", logging.WARNING, file=name, problem=one_line(str(error)))
        self._written.pop(name, None)

    def _file(self, name: str) -> str:
        return os.path.join(self._path, name)  # noqa: PTH118  a text


def _own(counts: Counts) -> str:
    """Return the name of the file of a bundle that another has replaced."""
    return f"{counts.name}-{counts.bundle[:_DIGITS]}.json"
