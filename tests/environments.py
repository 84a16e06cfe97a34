"""Environments as an app developer makes them: a Python, the built wheel and one engine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.steps import locked
from tests.needs import unavailable

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "tests"


def run(
    *command: object, check: bool = True, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its output; show it if the command must not fail and does."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(map(str, command))}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


def python_of(*versions: tuple[int, int]) -> Path:
    """Return an interpreter of one of these versions, or skip the test."""
    candidates = [sys.executable]
    candidates += filter(
        None, (shutil.which(f"python{major}.{minor}") for major, minor in versions)
    )
    script = "import sys; print(*sys.version_info[:2])"
    for candidate in candidates:
        # Run it: a version manager's shim may be on the path without a Python.
        done = run(candidate, "-c", script, check=False)
        if done.returncode == 0 and tuple(map(int, done.stdout.split())) in versions:
            return Path(candidate)
    names = " or ".join(f"Python {major}.{minor}" for major, minor in versions)
    first = ".".join(map(str, versions[0]))
    return unavailable(f"no {names} on this machine", f"apt install python{first}")


def pinned(lock: str) -> tuple[str, str]:
    """Return the options that hold an installation to the releases of a lock, without its hashes.

    Args:
        lock: the name of a file in requirements/, without its suffix.
    """
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="ascii")
    releases = [line.split(" \\")[0] for line in text.splitlines() if line[:1].isalnum()]
    constraints = CACHE / "constraints" / f"{lock}.txt"
    constraints.parent.mkdir(parents=True, exist_ok=True)
    constraints.write_text("\n".join(releases) + "\n", encoding="ascii")
    return "-c", str(constraints)


def installed(
    name: str, python: Path, *arguments: str, cwd: Path = ROOT, with_uv: bool = False
) -> Path:
    """Return the interpreter of an environment made by `pip install ARGUMENTS`.

    The environment is kept while the arguments and the content of files that they name stay the
    same: a wheel with the same bytes elsewhere is the same wheel.

    Args:
        name: of the environment.
        python: makes it.
        *arguments: of pip.
        cwd: where pip runs.
        with_uv: let uv do it, where it is installed: for large packages.
    """
    content = hashlib.sha256(str(python).encode())
    for argument in arguments:
        path, bracket, extras = argument.partition("[")
        file = cwd / path
        what = file.name.encode() + file.read_bytes() if file.is_file() else path.encode()
        content.update(what + (bracket + extras).encode() + b"\0")
    folder = CACHE / "environments" / name
    stamp = folder / "made-from"
    interpreter = folder / "bin" / "python"
    with locked(folder.with_suffix(".lock")):
        if not (stamp.is_file() and stamp.read_text(encoding="ascii") == content.hexdigest()):
            shutil.rmtree(folder, ignore_errors=True)
            run(python, "-m", "venv", folder)
            tool: tuple[object, ...] = (interpreter, "-m", "pip", "install", "--quiet")
            if with_uv and shutil.which("uv"):
                tool = ("uv", "pip", "install", "--quiet", "--python", interpreter)
            run(*tool, *arguments, cwd=cwd)
            stamp.write_text(content.hexdigest(), encoding="ascii")
    return interpreter


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """Make a folder in memory, if possible, for what is flushed often."""
    shared = "/dev/shm"
    here = shared if os.access(shared, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=here, prefix="strop-") as folder:
        yield Path(folder)
