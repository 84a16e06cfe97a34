"""Silence: what is printed in it, what is given back after it, and in several threads."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings

import pytest

from strop_export.formats import quiet


def test_nothing_is_printed_in_it_and_all_after(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet(), quiet():
        sys.stdout.write("a signature\n")
        os.write(2, b"a note of C++\n")
        warnings.warn("deprecated", stacklevel=1)
    sys.stdout.write("a result\n")
    os.write(2, b"a refusal\n")
    assert capfd.readouterr() == ("a result\n", "a refusal\n")


def test_a_failure_has_what_was_said() -> None:
    def fail() -> None:
        with quiet():
            os.write(2, b"op 3 is unknown\n")
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed") as caught:
        fail()
    assert caught.value.__notes__ == ["op 3 is unknown\n"]


def test_threads_take_turns_and_the_streams_come_back(capfd: pytest.CaptureFixture[str]) -> None:
    ours, own = sys.stdout, os.fstat(2).st_ino
    first_is_in, second_begins = threading.Event(), threading.Event()
    order = list[str]()

    def first() -> None:
        with quiet():
            first_is_in.set()
            assert second_begins.wait(60)
            time.sleep(0.1)  # the second would be in by now
            order.append("first")

    def second() -> None:
        assert first_is_in.wait(60)
        second_begins.set()
        with quiet():
            order.append("second")
            os.write(2, b"a note of C++\n")

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert order == ["first", "second"]
    assert sys.stdout is ours
    assert os.fstat(2).st_ino == own
    sys.stdout.write("a result\n")
    assert capfd.readouterr() == ("a result\n", "")
