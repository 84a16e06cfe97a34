"""The files in `dist/`, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from strop import durable
from strop_export import devices
from strop_export.errors import ExportError
from strop_export.layer_errors.entries import picture_name
from strop_export.pipeline import Finished, Refused
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

    The earlier bundle and requirements file of a refused target are removed, the earlier picture of
    every target, and earlier wheels.

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
            if result.page:
                _write_module(bundle, result.page.module)
        else:
            bundle.unlink(missing_ok=True)
            requirements.unlink(missing_ok=True)


def requirements_name(target: Target) -> str:
    """Return the name of a target's requirements file."""
    return f"requirements-{target.name}.txt"


def module_files(bundle: Path) -> list[Path]:
    """List the files of the module for pages that are beside a bundle; none if there is none."""
    return sorted(path for path in bundle.with_suffix("").rglob("*") if path.is_file())


def _write_module(bundle: Path, module: Path) -> None:
    """Write the module for pages, and its example with the bundle's name."""
    for path in sorted(path for path in module.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name == "example.mjs":
            content = content.replace(b"BUNDLE.strop", bundle.name.encode("ascii"))
        write(bundle.with_suffix("") / path.relative_to(module), content)


def native_in(out: Path) -> list[Path]:
    """List the native engine's wheels in `dist/`."""
    return sorted(out.glob("strop_native-*.whl"))
