"""Several processes install into one folder at once: they run in sequence, and none is lost."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from strop.bundle import installed
from tests.environments import run
from tests.figures import Record
from tests.reliability import editions

PROCESSES = 4
EACH = 25
VERSIONS = tuple(range(1, PROCESSES + 1))

# Each installs two bundles in turn, its own and the next one's.
_SCRIPT = f"""
import sys
from strop.errors import InstallError
from strop.install.install import install
from tests.reliability import editions
number, wait_s = int(sys.argv[3]), float(sys.argv[4])
done = 0
for i in range({EACH}):
    version = (number + i % 2) % {PROCESSES} + 1
    try:
        event = install(f"{{sys.argv[1]}}/{{version}}.strop", sys.argv[2], keep=2, wait_s=wait_s,
                        allow_downgrade=True, check=lambda bundle: editions.CHECKED)
    except InstallError as error:
        assert "is installing into" in str(error), error
        continue
    done += event is not None
print(done)
"""


def _storm(tmp_path: Path, wait_s: float) -> int:
    """Return the number of installs that changed the current bundle."""
    editions.write(tmp_path, *VERSIONS)

    def one(number: int) -> int:
        arguments = (tmp_path, tmp_path / "folder", number, wait_s)
        return int(run(sys.executable, "-c", _SCRIPT, *arguments).stdout)

    with ThreadPoolExecutor(PROCESSES) as pool:
        return sum(pool.map(one, range(PROCESSES)))


def _breaks(folder: Path, changes: int) -> int:
    """Count the gaps in the history, and other faults."""
    record = installed.read(folder)
    history = record.history
    breaks = sum(later.replaced != earlier.bundle for earlier, later in pairwise(history))
    kept = {path.name for path in (folder / "bundles").iterdir()}
    return (
        breaks
        + (len(history) != min(changes, installed.MAX_HISTORY))
        + (kept != {f"{name}.strop" for name in record.bundles})
        + (editions.current(folder, VERSIONS) != history[-1].model_version)
    )


def test_those_that_wait_all_have_their_turn(tmp_path: Path, figure: Record) -> None:
    changes = _storm(tmp_path, wait_s=60)
    breaks = _breaks(tmp_path / "folder", changes)
    detail = f"{changes} changed what is current"
    figure(f"installs by {PROCESSES} processes at once", PROCESSES * EACH, breaks, detail)
    assert not breaks


def test_those_that_do_not_wait_are_told_and_nothing_is_mixed(
    tmp_path: Path, figure: Record
) -> None:
    changes = _storm(tmp_path, wait_s=0)
    breaks = _breaks(tmp_path / "folder", changes)
    detail = f"{changes} changed what is current"
    figure("the same, without waiting for each other", PROCESSES * EACH, breaks, detail)
    assert not breaks
