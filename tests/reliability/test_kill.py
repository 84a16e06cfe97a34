"""kill -9 before, within and after every change to the disk: the old or the new bundle runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strop import durable
from strop.bundle.file import Bundle
from strop.bundle.installed import RecordedResult
from strop.install.install import install, rollback
from tests.environments import run
from tests.figures import Record
from tests.reliability import editions
from tests.reliability.kills import AFTER, BEFORE, WITHIN, changes_of, kill_at

TIMES = 10
KILLS = 20  # of the whole command

STEPS: dict[str, tuple[tuple[int, ...], int, int]] = {  # installed before, to install, the step
    "a first install": ((), 1, 0),
    "an install": ((1, 2), 3, 2),
    "a rollback": ((1, 2), 0, 2),
}


def _proven(bundle: Bundle) -> tuple[RecordedResult, ...]:
    return editions.CHECKED


def _step(version: int, folder: Path) -> None:
    if version:
        install(folder.parent / f"{version}.strop", folder, check=_proven, keep=2)
    else:
        rollback(folder, check=_proven)


def _fresh(tmp_path: Path, name: str) -> Path:
    """Make a folder in its state before a step."""
    template, folder = tmp_path / name, tmp_path / "folder"
    if not template.exists():
        editions.write(tmp_path, 1, 2, 3)
        template.mkdir()
        for version in STEPS[name][0]:
            _step(version, template)
    shutil.rmtree(folder, ignore_errors=True)
    if STEPS[name][0]:
        shutil.copytree(template, folder)
    return folder


def _goes_on(folder: Path) -> bool:
    """Tell whether the next install works and removes the remains of the stopped step."""
    _step(3, folder)
    drafts = [path for path in folder.rglob("*") if path.name.endswith(durable.DRAFT)]
    return editions.current(folder, (3,)) == 3 and not drafts


@pytest.mark.parametrize("name", STEPS)
def test_killed_at_every_change(in_memory: Path, figure: Record, name: str) -> None:
    _, version, old = STEPS[name]
    new = version or 1
    folder = in_memory / "folder"

    def step() -> None:
        _step(version, folder)

    _fresh(in_memory, name)
    changes = changes_of(step)
    seen = []
    failed = 0
    for number, change in enumerate(changes):
        moments = (BEFORE, WITHIN, AFTER) if change == "write" else (BEFORE, AFTER)
        for moment in moments * TIMES:
            _fresh(in_memory, name)
            kill_at(number, moment, step)
            seen.append(editions.current(folder, (1, 2, 3)))
            failed += seen[-1] not in (old, new) or not _goes_on(folder)
    figure(f"kill -9 in {name}", len(seen), failed, f"{len(changes)} changes, {TIMES} times each")
    assert not failed
    assert set(seen) == {old, new}


def test_the_command_killed_at_any_time(tmp_path: Path, figure: Record) -> None:
    """This includes the interpreter's start, the check in its process, and the lock."""
    folder = _fresh(tmp_path, "an install")
    command = (sys.executable, "-m", "strop", "install", tmp_path / "3.strop", "--into", folder)
    start = time.monotonic()
    run(*command)
    whole_s = time.monotonic() - start
    seen = []
    failed = 0
    for share in range(KILLS):
        _fresh(tmp_path, "an install")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole_s * share / KILLS)
        process.kill()
        process.wait()
        seen.append(editions.current(folder, (1, 2, 3)))
        failed += seen[-1] not in (2, 3) or not _goes_on(folder)
    figure("kill -9 of the command at any time", len(seen), failed)
    assert not failed
    assert 2 in seen
