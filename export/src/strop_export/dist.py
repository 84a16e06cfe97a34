"""The files in `dist/`, each written whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from strop import durable
from strop_export.errors import ExportError
from strop_export.layer_errors.entries import picture_name
from strop_export.paths import REQUIREMENTS
from strop_export.pipeline import Finished, Refused
from strop_export.targets import Target


def write(path: Path, content: bytes) -> None:
    """Write a file, and make the folders above it.

    Args:
        path: the file.
        content: all its bytes.

    Raises:
        ExportError: the file cannot be written, on a full disk for example. No part of it is left,
            and the file that was at `path` before is untouched.
    """
    try:
        durable.make_folder(str(path.parent))
        durable.write(str(path), content)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror or error}") from None


def publish(out: Path, wheel: Path, results: Iterable[Finished | Refused]) -> None:
    """Write the results into `dist/` after all of them are made.

    The earlier bundle and requirements file of a refused target are removed, the earlier picture of
    every target, and an earlier wheel.

    Args:
        out: the folder, usually `dist/`.
        wheel: the runtime's wheel, which is copied there.
        results: the finished and the refused targets.

    Raises:
        ExportError: `out` cannot be written.
    """
    content = wheel.read_bytes()
    write(out / wheel.name, content)
    for earlier in set(out.glob("strop-*.whl")) - {out / wheel.name}:
        earlier.unlink()
    for result in results:
        bundle, requirements = out / result.bundle, out / requirements_name(result.target)
        (out / picture_name(result.bundle)).unlink(missing_ok=True)
        if isinstance(result, Finished):
            lock = REQUIREMENTS / result.target.requirements
            extra = result.target.extra
            write(requirements, device_requirements(lock, wheel.name, content, extra))
            write(bundle, result.content)
        else:
            bundle.unlink(missing_ok=True)
            requirements.unlink(missing_ok=True)


def requirements_name(target: Target) -> str:
    """Return the name of a target's requirements file."""
    return f"requirements-{target.name}.txt"


def device_requirements(lock: Path, wheel_name: str, wheel: bytes, extra: str) -> bytes:
    """Return a requirements file for a device: its lock and the runtime's wheel, all with hashes.

    Args:
        lock: the first engine's hashed lock.
        wheel_name: the file name of the runtime's wheel; the line names it in the current folder,
            so the wheel has to lie there.
        wheel: the bytes of that wheel, for its hash.
        extra: the runtime's extra that asks for the packages of the lock.
    """
    digest = hashlib.sha256(wheel).hexdigest()
    line = f"./{wheel_name}[{extra}] \\\n    --hash=sha256:{digest}\n"
    return (lock.read_text(encoding="ascii") + line).encode("ascii")
