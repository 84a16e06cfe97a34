"""The files in `dist/`, each written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from strop import durable
from strop_export import devices
from strop_export.errors import ExportError
from strop_export.finishing import Finished, Refused
from strop_export.layer_errors.entries import picture_name
from strop_export.targets import Target
from strop_export.wheels import Wheels


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


def publish(out: Path, wheels: Wheels, results: Iterable[Finished | Refused]) -> None:
    """Write the results into `dist/` after all of them are made.

    The earlier bundle, requirements file and folder of a refused target are removed, the earlier
    picture of every target, and earlier wheels.

    Args:
        out: the folder, usually `dist/`.
        wheels: the wheels that devices get. The runtime's is copied there, and those of the native
            engine that a target's machines run.
        results: the finished and the refused targets.

    Raises:
        ExportError: `out` cannot be written.
    """
    results = list(results)
    write(out / wheels.runtime.name, wheels.runtime.read_bytes())
    native = {path.name: path for path in wheels.native.values()}
    for earlier in {*out.glob("strop-*.whl"), *native_in(out)}:
        if earlier.name not in (wheels.runtime.name, *native):
            earlier.unlink()
    for result in results:
        for machine in devices.native_machines(result.target, wheels):
            path = wheels.native[machine]
            write(out / path.name, path.read_bytes())
    for result in results:
        bundle, requirements = out / result.bundle, out / requirements_name(result.target)
        (out / picture_name(result.bundle)).unlink(missing_ok=True)
        if isinstance(result, Finished):
            write(requirements, devices.requirements(result.target, wheels))
            write(bundle, result.content)
            if result.folder:
                write_folder(out / folder_of(result.bundle), result.folder.files)
        else:
            bundle.unlink(missing_ok=True)
            requirements.unlink(missing_ok=True)
            if result.target.companion:
                _remove(out / folder_of(result.bundle))


def requirements_name(target: Target) -> str:
    """Return the name of a target's requirements file."""
    return f"requirements-{target.name}.txt"


def folder_of(bundle: str) -> str:
    """Return the name of the folder beside a bundle: the bundle's without its suffix."""
    return Path(bundle).stem


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder whole, and remove what was at its place.

    Args:
        path: the folder.
        files: path in the folder, with "/" -> content.

    Raises:
        ExportError: it cannot be written; no part of it is left, and the earlier one stays.
    """
    draft, earlier = (path.with_name(path.name + end) for end in (durable.DRAFT, ".old"))
    try:
        _remove(draft)  # of an export that was killed
        for name, content in files.items():
            write(draft / name, content)
        _remove(earlier)
        with contextlib.suppress(FileNotFoundError):
            path.rename(earlier)
        draft.rename(path)
        _remove(earlier)
    except (ExportError, OSError) as error:
        with contextlib.suppress(OSError):
            _remove(draft)
            if not os.path.lexists(path):
                earlier.rename(path)
        if isinstance(error, ExportError):
            raise
        raise ExportError(f"cannot write {path}: {error.strerror or error}") from None


def _remove(path: Path) -> None:
    """Remove a folder or a file, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def native_in(out: Path) -> list[Path]:
    """List the native engine's wheels in `dist/`."""
    return sorted(out.glob("strop_native-*.whl"))
