"""The Python environments that hold the engines a bundle is proven on.

Engines of today live in the workstation's own environment. tflite-runtime 2.14 needs an old
Python and an old numpy, so it gets an environment of its own, which is the honest test anyway: a
device has no TensorFlow either. In each of them the runtime is the very wheel that ships.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from export.errors import EngineMissing, ExportError, ProofError

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "engines"
TFLITE_LOCK = ROOT / "requirements" / "tflite.txt"
TFLITE_PYTHONS = ((3, 11), (3, 10))  # what has both a tflite-runtime 2.14 wheel and our support

_WORKSTATION = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "reference": "numpy"}
_RUN_LIMIT_S = 300


def build_wheel(directory: Path) -> Path:
    """Build the runtime's wheel, the same bytes each time, into a directory.

    Raises:
        ExportError: the build failed.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    done = subprocess.run(
        command, cwd=ROOT / "runtime", capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ExportError(f"building the runtime's wheel failed: {_last_line(done.stderr)}")
    (wheel,) = directory.glob("strop-*.whl")
    return wheel


def python_for(engine: str) -> Path:
    """The interpreter whose environment holds an engine; makes the environment if need be.

    Raises:
        EngineMissing: it cannot be had here; the message says why and what would help.
    """
    if engine == "tflite":
        return _tflite_python()
    if importlib.util.find_spec(_WORKSTATION[engine]) is None:
        raise EngineMissing(
            f"engine {engine}: {_WORKSTATION[engine]} is not installed here; run `make setup`"
        )
    return Path(sys.executable)


def run_strop(python: Path, wheel: Path, *arguments: str, directory: Path) -> dict[str, Any]:
    """Run the `strop` command from the wheel in an environment, with --json; gives what it prints.

    Raises:
        ProofError: it exited with anything but 0, died, or took longer than five minutes.
    """
    command = [str(python), "-s", "-m", "strop", *arguments, "--json"]
    path = str(wheel.resolve(strict=True))  # a path to nothing would leave another strop to run
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_RUN_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProofError(f"strop {' '.join(arguments)} took over {_RUN_LIMIT_S} s") from None
    if done.returncode:
        said = _last_line(done.stderr) or done.stdout[-300:]
        raise ProofError(f"strop {' '.join(arguments)} gave exit {done.returncode}: {said}")
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def _tflite_python() -> Path:
    lock = hashlib.sha256(TFLITE_LOCK.read_bytes()).hexdigest()
    environment = CACHE / "tflite"
    python, stamp = environment / "bin" / "python", environment / "made-from"
    if stamp.is_file() and stamp.read_text(encoding="ascii") == lock:
        return python
    base = _old_python()
    shutil.rmtree(environment, ignore_errors=True)
    for command in (
        [base, "-m", "venv", str(environment)],
        [str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(TFLITE_LOCK)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = _last_line(done.stderr) or _last_line(done.stdout)
            raise EngineMissing(
                f"engine tflite: `{' '.join(command[1:4])}` failed in {environment}: {said}"
            )
    stamp.write_text(lock, encoding="ascii")
    return python


def _old_python() -> str:
    """A CPython that tflite-runtime 2.14 has wheels for."""
    wanted = [f"python{major}.{minor}" for major, minor in TFLITE_PYTHONS]
    for candidate in (sys.executable, *(shutil.which(name) for name in wanted)):
        if candidate is None:
            continue
        # Ask: a version manager's shim may be on the path with nothing behind it.
        script = "import sys; print(*sys.version_info[:2])"
        done = subprocess.run(
            [candidate, "-c", script], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and tuple(map(int, done.stdout.split())) in TFLITE_PYTHONS:
            return candidate
    raise EngineMissing(
        "engine tflite: tflite-runtime 2.14, the last, runs on CPython 3.11 at most, and there is "
        f"no {' or '.join(wanted)} here (this is Python {sys.version_info[0]}."
        f"{sys.version_info[1]}); install one, with its venv module, and export again"
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
