"""Strop where the system is not Linux: all that only Linux, or only POSIX, has is taken away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_PRELUDE = """
import builtins, io, os, signal, sys
import subprocess  # elsewhere it needs none of what follows; Pillow imports it

for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
for name in (
    "fork forkpty register_at_fork sched_getaffinity sched_setaffinity uname confstr sysconf "
    "memfd_create setsid getuid geteuid getgid getegid killpg waitpid fchmod fchown pread pwrite "
    "set_blocking O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_ASYNC WNOHANG statvfs"
).split():
    if hasattr(os, name):
        delattr(os, name)
for name in "SIGKILL SIGALRM SIGBUS SIGIO SIGHUP setitimer pthread_sigmask".split():
    delattr(signal, name)

def without_proc(real):
    def call(path, *args, **kwargs):
        if str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real(path, *args, **kwargs)
    return call

builtins.open = io.open = without_proc(io.open)
os.open = without_proc(os.open)
sys.platform = "elsewhere"
"""


def _run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-c", _PRELUDE + program, *map(str, arguments)]
    return subprocess.run(given, capture_output=True, text=True, timeout=60)


def _strop(*arguments: object) -> subprocess.CompletedProcess[str]:
    return _run("from strop.cli import main\nsys.exit(main())", *arguments)


def test_a_model_is_loaded_and_answers(image_path: Path) -> None:
    done = _run(
        """
import numpy as np, strop, threading
with strop.load(sys.argv[1], sessions=None) as model:
    answers = model.predict(np.zeros((2, 4, 4), np.uint8))
    assert answers.shape == (2, 3), answers
    print(model.classify(np.zeros((4, 4), np.uint8)).label, model)
""",
        image_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "on reference" in done.stdout


def test_the_commands_that_need_no_fork_work(image_path: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.npy"
    np.save(samples, np.zeros((2, 4, 4), np.uint8))
    for arguments in (("info", image_path), ("run", image_path, samples)):
        done = _strop(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)
    done = _strop("check", image_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 variants" in done.stdout
    assert done.stderr == (
        "strop: warning: this system has no fork: engines run in this process, without limits\n"
    )


def test_the_commands_that_write_files_work(
    image_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    samples, outputs = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(samples, np.zeros((2, 4, 4), np.uint8))
    photo, seen = tmp_path / "photo.png", tmp_path / "seen.png"
    Image.new("L", (4, 4), 200).save(photo)
    key, public = tmp_path / "key", tmp_path / "key.pub"
    for arguments in (
        ("run", image_path, samples, "--output", outputs),
        ("run", image_path, photo, "--explain", seen),
        ("tune", image_path),
        ("keygen", key),
        ("sign", image_path, "--key", key),
        ("verify", image_path, "--trusted-keys", public),
    ):
        done = _strop(*arguments)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert np.load(outputs).shape == (2, 3)
    assert seen.is_file()
    assert "tuned" in _strop("run", image_path, samples).stderr


@pytest.mark.parametrize("arguments", [("install", "--into"), ("doctor",)])
def test_what_needs_posix_says_so_in_one_line(
    image_path: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command, *options = arguments
    done = _strop(command, *([image_path, *options, tmp_path / "folder"] if options else []))
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "Linux or macOS" in done.stderr


@pytest.mark.parametrize("command", ["check", "doctor", "run"])
def test_no_temporary_folder_is_needed(image_path: Path, tmp_path: Path, command: str) -> None:
    """As on a root file system that is read-only, without a /tmp in memory."""
    samples = tmp_path / "samples.npy"
    np.save(samples, np.zeros((2, 4, 4), np.uint8))
    arguments = {"check": [image_path], "doctor": [], "run": [image_path, samples]}[command]
    program = """
import os, sys, tempfile

def no_folder():
    raise FileNotFoundError(2, "No usable temporary directory found")

def read_only(path, flags, *args, **kwargs):
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and path != os.devnull:
        raise OSError(30, "Read-only file system", path)
    return real(path, flags, *args, **kwargs)

tempfile._get_default_tempdir = no_folder
real, os.open = os.open, read_only
from strop.cli import main
sys.exit(main())
"""
    given = [sys.executable, "-c", program, command, *map(str, arguments)]
    done = subprocess.run(given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
