"""The install lock: one holder at a time, and never longer than its holder lives."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strop.errors import InstallError
from strop.install import lock

# Holds the lock until it is killed; so does a child, which inherits everything. The last process
# prints its number.
_HOLDER = """
import os, sys, time
from strop.install import lock
with lock.hold(sys.argv[1], 0, print):
    if len(sys.argv) == 2 or not os.fork():
        print(os.getpid(), flush=True)
    time.sleep(60)
"""


def _holder(path: Path, *more: str) -> tuple[subprocess.Popen[str], int]:
    """Another process that holds the lock; and the number of its child, or its own."""
    command = [sys.executable, "-c", _HOLDER, str(path), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, int(process.stdout.readline())


def test_it_is_held_for_the_length_of_a_with_and_says_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        with lock.hold(str(path), 0, pytest.fail):
            assert path.read_text().strip() == str(os.getpid())
    with pytest.raises(KeyError), lock.hold(str(path), 0, pytest.fail):
        raise KeyError
    with lock.hold(str(path), 0, pytest.fail):
        pass


def test_another_holds_it(tmp_path: Path) -> None:
    process, _ = _holder(tmp_path / "lock")
    told: list[str] = []
    try:
        begin = time.monotonic()
        with (
            pytest.raises(lock.Held, match=str(process.pid)),
            lock.hold(str(tmp_path / "lock"), 0.2, told.append),
        ):
            pytest.fail("two hold it")
        assert time.monotonic() - begin >= 0.2
    finally:
        process.kill()
        process.communicate()
    assert told == [str(process.pid)]


def test_no_wait_is_not_told(tmp_path: Path) -> None:
    with (
        lock.hold(str(tmp_path / "lock"), 0, pytest.fail),
        pytest.raises(lock.Held),
        lock.hold(str(tmp_path / "lock"), 0, pytest.fail),
    ):
        pytest.fail("two hold it")


@pytest.mark.parametrize("more", [(), ("fork",)])
def test_it_goes_with_its_holder_whatever_its_children_do(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    process, child = _holder(tmp_path / "lock", *more)
    process.kill()
    process.wait()
    try:
        with lock.hold(str(tmp_path / "lock"), 0, pytest.fail):
            pass
    finally:
        if more:
            os.kill(child, signal.SIGKILL)
        process.communicate()


def test_a_fork_that_goes_its_own_way_lets_go_of_nothing(tmp_path: Path) -> None:
    """It has released the lock already, and the descriptor may belong to another file by then."""
    path = str(tmp_path / "lock")
    with contextlib.suppress(KeyError), lock.hold(path, 0, pytest.fail):
        child = os.fork()
        if not child:
            mine = os.open(os.devnull, os.O_RDONLY)
            raise KeyError(mine)
        assert os.waitpid(child, 0)[1] == 0
    if not child:
        try:
            os.fstat(mine)
            os._exit(0)
        finally:
            os._exit(1)
    with lock.hold(path, 0, pytest.fail):
        pass


def test_what_stands_in_it_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.hold(str(path), 0, pytest.fail):
        path.write_bytes(b"\xff not a number")
        with (
            pytest.raises(lock.Held, match="^$"),
            lock.hold(str(path), 0, pytest.fail),
        ):
            pytest.fail("two hold it")


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "socket"])
def test_only_a_regular_file_is_locked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    (tmp_path / "precious").write_text("content")
    with socket.socket(socket.AF_UNIX) as here:
        if kind == "link":
            path.symlink_to("precious")
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            here.bind(os.path.relpath(path))  # a socket's name has a short limit
        with (
            pytest.raises(InstallError, match=f"{path} is not a regular file; remove it"),
            lock.hold(str(path), 0, pytest.fail),
        ):
            pytest.fail("it was")
    assert (tmp_path / "precious").read_text() == "content"


@pytest.mark.parametrize("older", [None, 0o644, 0o666])
def test_other_users_cannot_open_it(tmp_path: Path, older: int | None) -> None:
    """Whoever can open it can lock it, and so stop every update."""
    path = tmp_path / "lock"
    if older:
        path.touch()
        path.chmod(older)
    with lock.hold(str(path), 0, pytest.fail):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_it_is_lost_when_its_file_goes(tmp_path: Path, change: str) -> None:
    path = tmp_path / "lock"
    with lock.hold(str(path), 0, pytest.fail) as held:
        held.require()
        path.rename(tmp_path / "away")
        if change == "replaced":
            path.write_text("")
        assert not held.is_held()
        with pytest.raises(InstallError, match=f"{path} was removed or replaced"):
            held.require()


def test_one_who_waits_locks_the_file_that_is_there_then(tmp_path: Path) -> None:
    """A lock on a file that was removed would keep nobody out."""
    path = tmp_path / "lock"
    process, _ = _holder(path)

    def remove(_: str) -> None:
        path.unlink()

    try:
        with lock.hold(str(path), 20, remove) as held:
            assert held.is_held()
            assert process.poll() is None
            with pytest.raises(lock.Held), lock.hold(str(path), 0, pytest.fail):
                pytest.fail("two hold it")
    finally:
        process.kill()
        process.communicate()


def test_a_full_disk_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with lock.hold(str(path), 0, pytest.fail):
        size = path.stat().st_size
    with lock.hold(str(path), 0, pytest.fail):
        assert path.stat().st_size == size  # written over, which takes no room
    monkeypatch.setattr(os, "pwrite", refuse)
    with (
        lock.hold(str(path), 0, pytest.fail),
        pytest.raises(lock.Held, match="^$"),
        lock.hold(str(path), 0, pytest.fail),
    ):
        pytest.fail("two hold it")
