"""Asking the app: commands that hang, fork, print without end, die or are not there."""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from strop.errors import StropError
from strop.fleet.agent import health
from tests.processes import in_new_process

LIMIT_S = 30.0
SHORT_S = 6.0  # for a command that does not end, but prints something first


def ask(*command: str, limit_s: float = LIMIT_S) -> str:
    return health.ask(command, limit_s, folder="/models", bundle="/models/x.strop", model_version=7)


def python(code: str, limit_s: float = LIMIT_S) -> str:
    return ask(sys.executable, "-c", code, limit_s=limit_s)


def is_running(number: int) -> bool:
    """Tell whether a process still runs soon after its end was asked for; a zombie does not."""
    end_s = time.monotonic() + 5
    while time.monotonic() < end_s:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return True


def test_status_0_is_healthy() -> None:
    assert ask("true") == ""


def test_another_status_is_not_and_the_last_line_says_why() -> None:
    assert ask("false") == "the app is not healthy, status 1"
    assert (
        ask("sh", "-c", "echo loading; echo 'no camera\x1b[31m' >&2; echo; exit 3")
        == r"the app is not healthy, status 3: no camera\x1b[31m"
    )


def test_a_signal_is_named() -> None:
    assert ask("sh", "-c", "kill -SEGV $$") == "the app's command was ended by SIGSEGV"


def test_the_command_knows_what_is_current() -> None:
    code = "import os; print(*map(os.environ.get, ('STROP_FOLDER', 'STROP_BUNDLE',"
    code += "'STROP_MODEL_VERSION', 'NOTIFY_SOCKET'))); raise SystemExit(1)"
    assert python(code).endswith(": /models /models/x.strop 7 None")


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    script = f"trap '' TERM; sleep 1000 & echo $! > {noted}; echo waiting; wait; sleep 1000"
    begun_s = time.monotonic()
    assert ask("sh", "-c", script, limit_s=SHORT_S) == (
        "the app's command gave no answer in 6 s: waiting"
    )
    assert time.monotonic() - begun_s < LIMIT_S
    assert not is_running(int(noted.read_text()))


def test_one_that_leaves_a_process_with_its_output_is_not_waited_for(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    begun_s = time.monotonic()
    assert ask("sh", "-c", f"sleep 1000 & echo $! > {noted}; echo done") == ""
    assert time.monotonic() - begun_s < LIMIT_S
    assert not is_running(int(noted.read_text()))


def test_one_that_prints_without_end_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        said = ask("yes", "x" * 5000, limit_s=SHORT_S)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said.startswith("the app's command gave no answer in 6 s: xxx")
    assert peak_bytes < 2**20


def test_one_that_closes_its_output_is_still_waited_for() -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(5)"
    assert python(code) == "the app is not healthy, status 5"


def test_a_command_that_is_not_there_cannot_be_asked(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(StropError, match="cannot run"):
            ask(str(path))


def _descriptors_left() -> int:
    """Return how many more descriptors are open after questions."""

    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for _ in range(5):
        ask("true")
        with pytest.raises(StropError):
            ask("/absent")
    return count() - before


def test_no_descriptor_is_left() -> None:
    assert in_new_process(_descriptors_left) == 0
