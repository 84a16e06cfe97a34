"""Artifacts and bundles for benchmarks, by the command lines of training and export."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import networks
from benchmarks.files import CACHE, ROOT, NotMeasurable

_LIMIT_S = 900.0


def folder() -> Path:
    """Return the folder of all that is made of the networks; other networks have another one."""
    content = hashlib.sha256(Path(networks.__file__).read_bytes()).hexdigest()
    return CACHE / "networks" / content[:16]


def trained(name: str) -> Path:
    """Return a network's artifact; train it first if that was not done.

    Args:
        name: a key of `networks.NETWORKS`.

    Raises:
        NotMeasurable: the training fails.
    """
    artifact = folder() / name
    if not (artifact / networks.LAST).is_file():
        _run("benchmarks.networks", name, str(artifact))
    return artifact


def export(artifact: Path, targets: Sequence[str], precisions: Sequence[str], out: Path) -> None:
    """Export an artifact; export leaves bundles as they are that it would make again.

    Args:
        artifact: the artifact's folder.
        targets: names of targets.
        precisions: names of precisions.
        out: the folder for the bundles.

    Raises:
        NotMeasurable: the export fails.
    """
    wanted = [word for target in targets for word in ("--target", target)]
    wanted += ["--precision", ",".join(precisions), "--out", str(out)]
    _run("strop_export", "--artifact", str(artifact), *wanted)


def _run(module: str, *words: str) -> None:
    command = [sys.executable, "-m", module, *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotMeasurable(f"{module} took over {_LIMIT_S:g} s") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NotMeasurable(f"{module} ends with status {done.returncode}: {said[:200]}")
