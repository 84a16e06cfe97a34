"""Questions asked in another process; the doctor's tests cover those that kill and hang."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from strop.diagnostics.apart import NoAnswer, ask, spare_memory_bytes

LIMIT_S = 60


@pytest.mark.parametrize("answer", [None, 0, "é", [], {"a": [1, {"b": ""}]}])
def test_an_answer_comes_back_as_it_is(answer: object) -> None:
    assert ask(lambda: answer, LIMIT_S) == answer


def test_the_question_is_asked_elsewhere_and_its_noise_is_dropped(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def question() -> int:
        os.write(1, b"noise")
        os.write(2, b"noise")
        return os.getpid()

    assert ask(question, LIMIT_S) != os.getpid()
    assert capfd.readouterr() == ("", "")


def _raises() -> NoReturn:
    raise ValueError("no such thing")


def _unspeakable() -> object:
    return object()


@pytest.mark.parametrize(
    ("question", "words", "signal_name"),
    [
        (_raises, "exit 1 and no answer; its last output: ValueError: no such thing", ""),
        (_unspeakable, "its last output: TypeError: Object of type object is not JSON", ""),
        (lambda: sys.exit(4), "exit 1 and no answer; its last output: SystemExit: 4", ""),
        (lambda: os._exit(4), "ended with exit 4 and no answer", ""),
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            "died of SIGKILL (killed, perhaps from lack of memory)",
            "SIGKILL",
        ),
    ],
)
def test_what_became_of_a_process_without_an_answer_is_said(
    question: Callable[[], object], words: str, signal_name: str
) -> None:
    with pytest.raises(NoAnswer) as caught:
        ask(question, LIMIT_S)
    assert words in str(caught.value)
    assert caught.value.killed_by == signal_name
    assert not caught.value.timed_out


def test_one_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(NoAnswer, match=r"^did not answer in 0\.2 s$") as caught:
        ask(signal.pause, 0.2)
    assert caught.value.timed_out


def test_one_that_takes_more_memory_than_it_may_does_not_get_it() -> None:
    def question(more_bytes: int) -> int:
        return len(bytearray(more_bytes))

    assert ask(lambda: question(2**26), LIMIT_S, spare_bytes=2**28) == 2**26
    with pytest.raises(NoAnswer, match="exit 1 and no answer; its last output: MemoryError"):
        ask(lambda: question(2**28), LIMIT_S, spare_bytes=2**27)


def test_what_may_be_taken_is_what_is_to_spare() -> None:
    spare = spare_memory_bytes()
    assert spare is not None
    assert 2**20 < spare <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_it_may_write_no_file_without_end(tmp_path: Path) -> None:
    def question(size_bytes: int) -> int:
        with (tmp_path / "cache").open("wb") as file:
            return file.truncate(size_bytes)  # holes in files count

    assert ask(lambda: question(2**28), LIMIT_S) == 2**28
    with pytest.raises(NoAnswer, match="exit 1 and no answer; its last output: OSError"):
        ask(lambda: question(2**28 + 1), LIMIT_S)


def test_a_limit_that_is_lower_already_stays() -> None:
    def question() -> tuple[int, int]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**21))
        limits: tuple[int, int] = ask(lambda: resource.getrlimit(resource.RLIMIT_FSIZE), LIMIT_S)
        return limits

    assert ask(question, LIMIT_S) == [2**20, 2**21]


@pytest.mark.parametrize("end", ["[", '{"a":'])
def test_an_answer_nested_without_end_is_none(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.dumps", lambda answer: end * 10_000)
    with pytest.raises(NoAnswer, match="^ended with exit 0 and no answer$"):
        ask(lambda: None, LIMIT_S)


_HANGS = """
import collections, itertools, os, pathlib, signal, sys
from strop.diagnostics.apart import ask

def hang():
    if "stopped" in sys.argv:
        os.kill(os.getppid(), signal.SIGSTOP)
    pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()}\\n")
    collections.deque(itertools.repeat(0), maxlen=0)  # native code, which looks at no signals

ask(hang, float(sys.argv[2]))
"""


@contextlib.contextmanager
def _hanging(
    path: Path, limit_s: float, *more: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that waits for a hanging child, which may stop it, and the child's number."""
    with subprocess.Popen([sys.executable, "-c", _HANGS, path, str(limit_s), *more]) as parent:
        child = 0
        try:
            _until(lambda: path.exists() and path.read_text().endswith("\n"))
            child = int(path.read_text())
            yield parent, child
        finally:
            parent.kill()
            with contextlib.suppress(ProcessLookupError):
                os.kill(child or parent.pid, signal.SIGKILL)


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def _runs(process: int) -> bool:
    """Tell whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("deed", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_hangs_ends_with_the_process_that_asked(
    tmp_path: Path, deed: signal.Signals
) -> None:
    with _hanging(tmp_path / "child", limit_s=600) as (parent, child):
        assert _runs(child)
        parent.send_signal(deed)
        _until(lambda: not _runs(child))


def test_one_that_hangs_ends_by_itself_while_the_other_is_stopped(tmp_path: Path) -> None:
    with _hanging(tmp_path / "child", 5, "stopped") as (_, child):
        _until(lambda: not _runs(child))


def test_the_kernel_ends_it_before_its_neighbours() -> None:
    """The score is the highest possible."""
    score = Path("/proc/self/oom_score_adj")
    assert ask(lambda: int(score.read_text()), LIMIT_S) == 1000 > int(score.read_text())
