"""Questions asked in another process; tests of the doctor ask those that kill and hang."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from strop.apart import NoAnswer, ask, spare_memory_bytes

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
        (_raises, "exit 1 and no answer; its last words: ValueError: no such thing", ""),
        (_unspeakable, "its last words: TypeError: Object of type object is not JSON", ""),
        (lambda: sys.exit(4), "exit 1 and no answer; its last words: SystemExit: 4", ""),
        (lambda: os._exit(4), "ended with exit 4 and no answer", ""),
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            "died of SIGKILL (killed, perhaps for want of memory)",
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
    with pytest.raises(NoAnswer, match="exit 1 and no answer; its last words: MemoryError"):
        ask(lambda: question(2**28), LIMIT_S, spare_bytes=2**27)


def test_what_may_be_taken_is_what_is_to_spare() -> None:
    spare = spare_memory_bytes()
    assert spare is not None
    assert 2**20 < spare <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_the_kernel_ends_it_before_its_neighbours() -> None:
    """No higher score exists."""
    score = Path("/proc/self/oom_score_adj")
    assert ask(lambda: int(score.read_text()), LIMIT_S) == 1000 > int(score.read_text())
