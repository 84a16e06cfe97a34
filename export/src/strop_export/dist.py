"""Writing into `dist/`: each file whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from strop import durable
from strop_export.errors import ExportError
from strop_export.paths import REQUIREMENTS
from strop_export.pipeline import Finished, Refused
from strop_export.targets import Target


def write(path: Path, content: bytes) -> None:
    """Write a file, and the folders above it.

    Raises:
        ExportError: it cannot be written (a full disk, say); nothing is left of it, and what was
            at `path` before is untouched.
    """
    try:
        durable.make_folder(str(path.parent))
        durable.write(str(path), content)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror or error}") from None


def publish(out: Path, wheel: Path, results: Iterable[Finished | Refused]) -> None:
    """Put what was made into `dist/`, when all of it is made: nothing there is replaced before.

    A refused target's earlier bundle and requirements go, and so does an earlier wheel.

    Raises:
        ExportError: `out` cannot be written.
    """
    content = wheel.read_bytes()
    write(out / wheel.name, content)
    for earlier in set(out.glob("strop-*.whl")) - {out / wheel.name}:
        earlier.unlink()
    for result in results:
        bundle, requirements = out / result.bundle, out / requirements_name(result.target)
        if isinstance(result, Finished):
            lock = REQUIREMENTS / result.target.requirements
            extra = result.target.extra
            write(requirements, device_requirements(lock, wheel.name, content, extra))
            write(bundle, result.content)
        else:
            bundle.unlink(missing_ok=True)
            requirements.unlink(missing_ok=True)


def requirements_name(target: Target) -> str:
    return f"requirements-{target.name}.txt"


def device_requirements(lock: Path, wheel_name: str, wheel: bytes, extra: str) -> bytes:
    """A requirements file for a device: its lock and the runtime's wheel, all hashed.

    Args:
        lock: the first engine's hashed lock.
        wheel_name, wheel: the runtime's; the file names it as lying beside, in the current folder.
        extra: the runtime's extra for what the lock holds.
    """
    digest = hashlib.sha256(wheel).hexdigest()
    line = f"./{wheel_name}[{extra}] \\\n    --hash=sha256:{digest}\n"
    return (lock.read_text(encoding="ascii") + line).encode("ascii")
