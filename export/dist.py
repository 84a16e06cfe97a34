"""Writing into `dist/`: each file whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from export.errors import ExportError


def write(path: Path, content: bytes) -> None:
    """Write a file under another name, flush it to the disk, and move it into place.

    Raises:
        ExportError: it cannot be written (a full disk, say); nothing is left of it, and what was
            at `path` before is untouched.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):  # it was moved, or there never was a folder for it
            draft.unlink()


def device_requirements(lock: Path, wheel: Path, extra: str | None) -> bytes:
    """A requirements file for a device: the engine's lock and the runtime's wheel, all hashed.

    Args:
        lock: the engine's hashed lock.
        wheel: the runtime's wheel; the file names it as lying beside, in the current folder.
        extra: the runtime's extra for the engine.
    """
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    name = f"./{wheel.name}" + (f"[{extra}]" if extra else "")
    return f"{lock.read_text(encoding='ascii')}{name} \\\n    --hash=sha256:{digest}\n".encode()
