"""The measurement of one engine release: it is installed alone and tried on files."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from strop_export.errors import ExportError
from strop_export.floors.probes import Probes, probes
from strop_export.floors.releases import PACKAGES, PYTHONS
from strop_export.paths import cache

WORKER = Path(__file__).with_name("worker.py")

# The engines' errors for a file that is too new; any other error would be a fault of the probe.
_TOO_NEW = re.compile(
    r"Didn't find op for builtin opcode '\w+' version '\d+'"
    r"|Op builtin_code out of range"
    r"|Unsupported model IR version"
    r"|Opset \d+ is under development"
)
_LIMIT_S = 900


def measure(engine: str, release: str) -> dict[str, int]:
    """Measure the highest versions that a release of an engine takes.

    The result is kept in .cache/; a second call reads it from there.

    Args:
        engine: a key of `PACKAGES`.
        release: the version of its package.

    Returns:
        Name -> highest version, for everything that the release takes at all.

    Raises:
        ExportError: the release cannot be installed here, or does not answer as expected.
    """
    files = probes(engine)
    shown = json.dumps(
        {
            name: {version: base64.b64encode(file).decode() for version, file in each.items()}
            for name, each in files.items()
        }
    )
    digest = hashlib.sha256(shown.encode()).hexdigest()[:12]
    kept = cache("floors") / f"{engine}-{release}-{digest}.json"
    if kept.is_file():
        return dict(json.loads(kept.read_bytes()))
    environment = cache("floors") / f"{engine}-{release}"
    try:
        python = _install(environment, f"{PACKAGES[engine]}=={release}")
        answers = _ask(python, engine, shown)
    finally:
        shutil.rmtree(environment, ignore_errors=True)
    highest = highest_taken(f"{engine} {release}", files, answers)
    kept.write_text(json.dumps(highest), encoding="ascii")
    return highest


def _install(environment: Path, requirement: str) -> Path:
    """Make an environment that has a release, and return its interpreter.

    Its Python is the first of `PYTHONS` for which the release has a wheel.
    """
    python = environment / "bin" / "python"
    reasons = []
    for base in PYTHONS:
        try:
            _run(base, "-m", "venv", "--clear", str(environment))
            # Old releases were built against numpy 1, and new ones take it too.
            pip = (str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:")
            _run(*pip, requirement, "numpy<2")
        except ExportError as error:
            reasons.append(str(error))
        else:
            return python
    raise ExportError(f"{requirement} cannot be installed: {'; '.join(reasons)}")


def _ask(python: Path, engine: str, shown: str) -> Any:
    """Run the worker in an environment, and return its answers."""
    return json.loads(_run(str(python), str(WORKER), engine, shown=shown))


def highest_taken(release: str, files: Probes, answers: Any) -> dict[str, int]:
    """Return the highest version of everything that a release takes at all.

    Args:
        release: the engine and its release, for messages.
        files: the files that the release was tried on.
        answers: name -> version -> error message, or None for a file that opened.

    Raises:
        ExportError: a probe failed for another reason than its version, or the accepted versions
            are not one range that ends before the last probe.
    """
    highest = {}
    for name, each in files.items():
        taken = []
        for version in each:
            error = answers[name][str(version)]
            if error is None:
                taken.append(version)
            elif not _TOO_NEW.search(error):
                raise ExportError(f"{release}: {name} version {version}: {error}")
        if not taken:
            continue
        # One operator, BROADCAST_TO, begins at 2. A gap or a missing end would be an error.
        if taken != list(range(taken[0], taken[-1] + 1)) or taken[-1] == max(each):
            raise ExportError(f"{release} takes {name} in versions {taken}: no range with an end")
        highest[name] = taken[-1]
    return highest


def _run(*command: str, shown: str = "") -> str:
    # If it is set, ONNX Runtime loads opsets that it does not support.
    environment = {k: v for k, v in os.environ.items() if k != "ALLOW_RELEASED_ONNX_OPSET_ONLY"}
    try:
        done = subprocess.run(
            command,
            input=shown,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"{' '.join(command[:4])}: {error}") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        raise ExportError(f"{' '.join(command[:4])}: {said}")
    return done.stdout
