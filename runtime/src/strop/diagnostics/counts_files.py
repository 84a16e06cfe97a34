"""The counts of a bundle's model, summed over all files, devices and processes that counted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain

from strop.bundle.counts import MAX_COUNTS_BYTES, Counts, add, matches, read_counts
from strop.bundle.file import Bundle
from strop.bundle.files import read_file
from strop.errors import InputError, printable

MOST_FILES = 100_000  # in a folder
Bins = tuple[tuple[tuple[int, ...], ...], ...]  # by input or output, histogram, and bin
ENDING = ".json"  # of the files in a folder that may be counts


class Sum:
    """Adds up the counts of one bundle.

    Attributes:
        total: of all that were added; None before the first.
        taken: how many were added.
        others: how many were of other bundles, and left out.
        unreadable: how many were no counts, or none that a model of this bundle makes.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.total: Counts | None = None
        self.taken = self.others = self.unreadable = 0

    def add(self, counts: Counts) -> None:
        """Add counts, unless they are of another bundle.

        Raises:
            InputError: they name this bundle, and its models do not count so.
        """
        if counts.bundle != self._bundle.digest:
            self.others += 1
            return
        if not matches(counts, self._bundle.manifest, self._bundle.digest):
            raise InputError("the counts name this bundle, and have other figures than it")
        self.total = add(self.total, counts) if self.total else counts
        self.taken += 1


def add_files(total: Sum, paths: Iterable[str]) -> None:
    """Add the counts in files, and in the files of folders whose names end in `.json`.

    A folder's files that are no counts are left out, and counted in `unreadable`. A file that is
    there twice, as by its own name and in a folder, is added once.

    Args:
        total: what they are added to.
        paths: files and folders.

    Raises:
        InputError: a file or folder that is named cannot be read, or holds no counts.
    """
    added: set[tuple[int, int]] = set()  # devices and inodes
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112
            try:
                _add(total, path, added)
            except InputError as error:
                raise error.within(printable(path)) from None
            continue
        for file in _files_of(path):
            try:
                _add(total, file, added)
            except InputError:
                total.unreadable += 1


def later(now: Counts, before: Counts) -> Counts:
    """Return what was counted between two states of the same counts.

    Raises:
        InputError: the earlier state is not part of the later one.
    """
    found = now._replace(
        calls=now.calls - before.calls,
        samples=now.samples - before.samples,
        since=before.until,
        inputs=_less(now.inputs, before.inputs),
        outputs=_less(now.outputs, before.outputs),
    )
    bins = chain.from_iterable(chain.from_iterable((*found.inputs, *found.outputs)))
    anew = now.since > before.since  # a sum begins with the first of its parts
    if anew or min(found.calls, found.samples, *bins) < 0:
        raise InputError(
            "the counts of --since are not earlier ones of these",
            "they were begun anew since: judge them without --since",
        )
    return found


def _less(now: Bins, before: Bins) -> Bins:
    """Subtract bin by bin."""
    return tuple(
        tuple(
            tuple(a - b for a, b in zip(*both, strict=True))
            for both in zip(*histograms, strict=True)
        )
        for histograms in zip(now, before, strict=True)
    )


def _files_of(folder: str) -> list[str]:
    shown = printable(folder)
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(ENDING) and not entry.name.startswith("."):
                    found.append(entry.path)
                if len(found) > MOST_FILES:
                    raise InputError(f"{shown} has more than {MOST_FILES} files", "move old ones")
    except OSError as error:
        raise InputError(f"cannot read {shown}: {error.strerror or error}") from None
    return sorted(found)


def _add(total: Sum, path: str, added: set[tuple[int, int]]) -> None:
    """Add the counts in a file that is not among those that were added.

    Raises:
        InputError: it cannot be read, or holds no counts.
    """
    try:
        data, status = read_file(path, MAX_COUNTS_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(
            f"it cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    counts = read_counts(data)
    file = status.st_dev, status.st_ino
    if file not in added:
        total.add(counts)
        added.add(file)
