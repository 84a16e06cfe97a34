"""After a power cut at any moment of an install or a rollback, the old or the new bundle runs."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from strop.bundle import installed
from strop.bundle.file import Bundle
from strop.bundle.installed import RecordedResult
from strop.errors import BundleError
from strop.install.install import install, rollback
from tests.figures import Record
from tests.reliability import disk, editions
from tests.reliability.disk import Op, Tree

ROLLBACK = 0  # as a step, beside the versions to install
NOTHING = 0  # as what is installed
EVERY = 5  # the share of states that are installed into: one in this many
VERSIONS = (1, 2, 3, 4)
NEXT = 5  # the version installed into it
FOLDER = "place/model"


@dataclass(frozen=True)
class Case:
    """Steps, the disk before them, and the versions allowed after a cut."""

    root: Path  # the disk before
    before: Tree  # of `root`
    ops: Sequence[Op]
    old: tuple[int, ...]
    new: int


def _proven(bundle: Bundle) -> tuple[RecordedResult, ...]:
    return editions.CHECKED


def _step(version: int, root: Path, keep: int = 2) -> None:
    if version == ROLLBACK:
        rollback(root / FOLDER, check=_proven)
    else:
        install(root.parent / f"{version}.strop", root / FOLDER, check=_proven, keep=keep)


def _place(sources: Path, earlier: Sequence[int], keep: int = 2) -> Path:
    """Make the root of a disk on which these steps are taken, with their bundles."""
    root = sources / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    editions.write(sources, *VERSIONS, NEXT)
    for version in earlier:
        _step(version, root, keep)
    return root


def _is_whole(folder: Path) -> bool:
    """Tell whether all bundles that installed.json lists are there, for going back."""
    with contextlib.suppress(BundleError):
        record = installed.find(folder)
        names = record.bundles if record else ()
        return all(Path(installed.bundle_path(str(folder), name)).exists() for name in names)
    return False


def _left(case: Case, ops: Sequence[Op]) -> Iterator[int | None]:
    """Yield the version in the folder in each state that a cut after these changes may leave.

    The next version is installed into some of the good states, and must be there then.
    """
    for number, state in enumerate(disk.states(case.before, ops, case.root)):
        root = case.root.parent / "again"
        disk.plant(root, state)
        found = editions.current(root / FOLDER, VERSIONS) if _is_whole(root / FOLDER) else None
        if number % EVERY == 0 and found is not None:
            _step(NEXT, root)
            assert editions.current(root / FOLDER, (NEXT,)) == NEXT
        shutil.rmtree(root)
        yield found


def _verdicts(case: Case, first: int = 0) -> Iterator[bool]:
    """Yield whether each state that a cut may leave, from some change on, is good."""
    for made in range(first, len(case.ops) + 1):
        # A finished step is not undone.
        good = (*case.old, case.new) if made < len(case.ops) else (case.new,)
        for found in _left(case, case.ops[:made]):
            yield found in good


class Step(NamedTuple):
    """A step, after others."""

    earlier: tuple[int, ...]
    taken: int
    old: int  # what is current before
    keep: int = 2  # in the earlier installs
    room_bytes: int | None = None  # on the disk; None: enough


HALF = len(editions.content(1)) // 2  # of a bundle, which does not fit then
STEPS = {
    "a first install": Step((), 1, NOTHING),
    "an install": Step((1,), 2, 1),
    "an install that removes an older one": Step((1, 2), 3, 2),
    "a rollback": Step((1, 2), ROLLBACK, 2),
    "a rollback on a full disk": Step((1, 2), ROLLBACK, 2, room_bytes=0),
    "an install on a full disk": Step((1, 2, 3), 4, 3, keep=3, room_bytes=HALF),
}


def _case(sources: Path, name: str) -> Case:
    step = STEPS[name]
    root = _place(sources, step.earlier, step.keep)
    before = disk.tree(root)
    with contextlib.ExitStack() as stack:
        if step.room_bytes is not None:
            stack.enter_context(disk.full(root, step.room_bytes))
        ops = stack.enter_context(disk.noted())
        _step(step.taken, root)
    return Case(root, before, ops, (step.old,), step.taken or 1)


@pytest.mark.parametrize("name", STEPS)
def test_a_cut_leaves_the_old_or_the_new(in_memory: Path, figure: Record, name: str) -> None:
    case = _case(in_memory, name)
    verdicts = list(_verdicts(case))
    detail = f"{len(case.ops)} changes, all states after each"
    figure(f"power cut in {name}", len(verdicts), verdicts.count(False), detail)
    assert len(verdicts) > len(case.ops)
    assert all(verdicts)


def test_a_damaged_copy_of_the_current_bundle_is_mended_whole_or_not_at_all(
    in_memory: Path, figure: Record
) -> None:
    root = _place(in_memory, (1, 2))
    copy = root / FOLDER / "bundles" / f"{editions.name(2)}.strop"
    copy.chmod(0o644)
    copy.write_bytes(copy.read_bytes()[:-1])
    before = disk.tree(root)
    with disk.noted() as ops:
        _step(2, root)
    case = Case(root, before, ops, (), 2)
    lost = [list(_left(case, ops[:made])) for made in range(len(ops) + 1)]
    figure("power cut in mending a damaged copy", sum(map(len, lost)), lost[-1].count(None))
    assert set(lost[0]) == {None}
    assert set(lost[-1]) == {2}
    assert {found for states in lost for found in states} == {None, 2}


def _killed_and_cut_off(sources: Path, name: str, *, unflushed: str = "") -> Iterator[bool]:
    """Yield verdicts on a disk where one step was killed, anywhere, and a cut hits the next one.

    Args:
        unflushed: a folder whose first flush the next step omits.
    """
    step = STEPS[name]
    for changes in itertools.count():
        root = _place(sources, step.earlier)
        before = disk.tree(root)
        with disk.noted() as ops:
            with disk.stopped(after=changes) as life:
                _step(step.taken, root)
            if not life.over:
                return
            first = len(ops)
            _step(3, root)
        if unflushed:
            flushed = [(op.kind, Path(op.path).name) for op in ops]
            del ops[flushed.index(("sync folder", unflushed), first)]
        yield from _verdicts(Case(root, before, ops, (step.old, step.taken or 1), 3), first)


@pytest.mark.parametrize("name", ["a first install", "an install", "a rollback"])
def test_a_cut_after_one_who_was_killed_and_another_who_went_on(
    in_memory: Path, figure: Record, name: str
) -> None:
    """Data that the first step did not flush may be missing under the second step's data."""
    verdicts = list(_killed_and_cut_off(in_memory, name))
    figure(f"{name} killed anywhere, power cut in the next", len(verdicts), verdicts.count(False))
    assert all(verdicts)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("a rollback", "model"), ("a first install", "place"), ("a first install", "root")],
)
def test_who_does_not_flush_what_another_left_loses_it(
    in_memory: Path, name: str, folder: str
) -> None:
    assert not all(_killed_and_cut_off(in_memory, name, unflushed=folder))


@pytest.mark.parametrize("name", STEPS)
def test_without_any_one_of_its_flushes_a_step_would_lose_something(
    in_memory: Path, figure: Record, name: str
) -> None:
    """Otherwise the other tests could not fail."""
    case = _case(in_memory, name)
    # A new reserve is flushed to take its room on the disk; one that is lost is made again.
    reserves = {op.file for op in case.ops if op.kind == "create" and op.path.endswith(".reserve")}
    flushes = [
        i
        for i, op in enumerate(case.ops)
        if op.kind in ("fsync", "sync folder")
        and Path(op.path).is_relative_to(case.root)
        and op.file not in reserves
    ]
    needless = []
    for i in flushes:
        ops = [*case.ops[:i], *case.ops[i + 1 :]]
        if all(_verdicts(Case(case.root, case.before, ops, case.old, case.new))):
            needless.append((case.ops[i].kind, Path(case.ops[i].path).name))
    # One flush is for a step after a killed one; the test above covers it.
    settling = [] if name == "a first install" else [("sync folder", "model")]
    figure(
        f"a flush left out of {name}, and nothing found",
        len(flushes) - len(settling),
        len(needless) - len(settling),
    )
    assert needless == settling
