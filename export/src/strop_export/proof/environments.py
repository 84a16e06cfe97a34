"""The Python environments with the engines that a bundle is proven on.

Current engines are in the workstation's own environment; the native engine comes from the wheel
that ships. tflite-runtime 2.14 needs an old Python and an old numpy, so it gets a separate
environment; that also makes a fair test, since a device has no TensorFlow. ONNX Runtime for GPUs
gets one too, because it has the same import name as the build for CPUs. In each of them the runtime
is the wheel that ships.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from strop import engines
from strop.errors import DeviceUnavailable
from strop_export import wheels
from strop_export.errors import DeviceMissing, EngineMissing, ExportError, ProofError
from strop_export.floors.releases import PACKAGES
from strop_export.paths import REQUIREMENTS, cache

TFLITE_LOCK = REQUIREMENTS / "tflite.txt"
WEBGPU_LOCK = REQUIREMENTS / "onnx-webgpu.txt"
TFLITE_PYTHONS = ((3, 11), (3, 10))  # with a tflite-runtime 2.14 wheel and our support

_RUN_LIMIT_S = 300
_INSTALL_LIMIT_S = 900


def python_for(engine: str, device: str = "cpu") -> Path:
    """Return the interpreter of the environment with an engine; make the environment if needed.

    Args:
        engine: the engine's name.
        device: "cpu", or "gpu" for the build of the engine that runs on one.

    Raises:
        EngineMissing: the engine cannot be installed here; the message says why and how to fix it.
    """
    if engine == "tflite":
        return _locked_python(engine, TFLITE_LOCK, "tflite_runtime", _old_python)
    if (engine, device) == ("onnx", "gpu"):
        return _locked_python(engine, WEBGPU_LOCK, "onnxruntime", lambda: sys.executable)
    if engine == wheels.NATIVE:
        wheels.native_here()
    elif not engines.is_installed(engine):
        raise EngineMissing(
            f"engine {engine} is not installed here", f"pip install {PACKAGES[engine]}"
        )
    return Path(sys.executable)


def run_strop(
    python: Path,
    packages: Sequence[Path],
    *arguments: str,
    directory: Path,
    statuses: Container[int] = (0,),
) -> dict[str, Any]:
    """Run the `strop` command from the shipped packages in an environment, with --json.

    Args:
        python: the environment's interpreter.
        packages: the runtime's wheel, and folders of packages that cannot be imported from one.
        *arguments: the command and its arguments, without --json.
        directory: the working directory; the command keeps its cache there.
        statuses: the exit statuses that come with an answer.

    Returns:
        The JSON object that it prints.

    Raises:
        DeviceMissing: it should run on the GPU, which is not available: strop said so, died there,
            or took longer than five minutes.
        ExportError: the path of a package has a character that PYTHONPATH cannot hold.
        ProofError: it exited with another status, died, took longer than five minutes, or printed
            no JSON object.
    """
    command = [str(python), "-s", "-m", "strop", *arguments, "--json"]
    paths = [str(package.resolve(strict=True)) for package in packages]
    for path in paths:
        if os.pathsep in path:  # Python would read it as two paths, and run another strop
            raise ExportError(
                f"the temporary folder's name has a {os.pathsep!r}: {path}", "set TMPDIR"
            )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(directory.resolve() / "cache"),  # proofs ignore the user's tuning
    }
    done = run(command, cwd=directory, env=environment, limit_s=_RUN_LIMIT_S)
    if done.returncode not in statuses or _refusal(done.stdout):
        refusal = _refusal(done.stdout)
        if refusal and refusal.kind == DeviceUnavailable.kind:
            raise DeviceMissing(refusal.problem, refusal.mend)
        said = refusal.problem if refusal else _last_line(done.stderr) or done.stdout[-300:]
        mend = refusal.mend if refusal else ""
        if done.returncode < 0 and "gpu" in arguments:
            died = f"strop {arguments[0]} died on the GPU ({done.returncode})"
            raise DeviceMissing(f"{died}: {said}", mend)
        raise ProofError(f"strop {' '.join(arguments)} gave exit {done.returncode}: {said}", mend)
    try:
        content: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ProofError(f"strop printed no JSON object: {done.stdout[-300:]!r}") from None
    return content


def _locked_python(engine: str, lock: Path, module: str, base: Callable[[], str]) -> Path:
    """Return the interpreter of the environment made from a lock.

    Make the environment again if the lock has changed or the environment is broken.

    Args:
        engine: the engine's name, for messages.
        lock: the requirements file, with hashes.
        module: the module that must import there.
        base: returns the Python to make it with.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    engines = cache("engines")
    environment = engines / lock.stem
    python, stamp = environment / "bin" / "python", environment / "made-from"
    with _alone(engines / f"{lock.stem}.lock"):
        made_from = stamp.read_text(encoding="ascii") if stamp.is_file() else None
        if made_from == digest and _imports(python, module):
            return python
        with_python = base()
        shutil.rmtree(environment, ignore_errors=True)
        for command in (
            [with_python, "-m", "venv", str(environment)],
            [str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)],
        ):
            done = run(command, limit_s=_INSTALL_LIMIT_S, cwd=engines)  # not beside user files
            if done.returncode:
                said = _last_line(done.stderr) or _last_line(done.stdout)
                raise EngineMissing(
                    f"engine {engine}: `{' '.join(command[1:4])}` failed in {environment}: {said}"
                )
        stamp.write_text(digest, encoding="ascii")
    return python


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait while another export from this checkout makes the same environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _imports(python: Path, module: str) -> bool:
    """Tell whether the environment works: its base Python may have been removed or upgraded."""
    return run([str(python), "-I", "-c", f"import {module}"], limit_s=_RUN_LIMIT_S).returncode == 0


def _old_python() -> str:
    """Find a CPython that tflite-runtime 2.14 has wheels for."""
    wanted = [f"python{major}.{minor}" for major, minor in TFLITE_PYTHONS]
    script = "import sys; print(*sys.version_info[:2])"
    for candidate in (sys.executable, *(shutil.which(name) for name in wanted)):
        if candidate is None:
            continue
        # Run it: a version manager's shim may be on the path without a Python.
        done = run([candidate, "-c", script], limit_s=_RUN_LIMIT_S)
        if done.returncode == 0 and tuple(map(int, done.stdout.split())) in TFLITE_PYTHONS:
            return candidate
    raise EngineMissing(
        "engine tflite: tflite-runtime 2.14, the last, runs on CPython 3.11 at most, and there "
        f"is no {' or '.join(wanted)} here (this is Python "
        f"{sys.version_info[0]}.{sys.version_info[1]})",
        "install one with its venv module, and export again",
    )


def run(command: list[str], *, limit_s: int, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its output; if it cannot start or times out, it counts as failed.

    Args:
        command: the program and its arguments.
        limit_s: seconds after which it is killed.
        **options: more arguments of `subprocess.run`.
    """
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, check=False, **options
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(
            command, -signal.SIGKILL, "", f"it took over {limit_s} s"
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", f"{command[0]}: {error.strerror}")


class _Refusal(NamedTuple):
    """A refusal as `strop ... --json` prints it."""

    kind: str
    problem: str
    mend: str


def _refusal(stdout: str) -> _Refusal | None:
    """Read a refusal from what strop printed; None if there is none."""
    try:
        error = json.loads(stdout)["error"]
        return _Refusal(error["kind"], error["problem"], error["mend"])
    except (ValueError, LookupError, TypeError):
        return None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
