"""The check whether a bundle in `dist/` is what an export would make again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from strop_export.layer_errors.entries import picture_name
from strop_export.paths import CHECKOUT, PACKAGE, REQUIREMENTS
from strop_export.proof.companions import KINDS
from strop_export.targets import Target
from strop_export.wheels import native_wheels

_TOOLS = (
    "ai-edge-litert",
    "keras",
    "numpy",
    "onnx",
    "onnxruntime",
    "tensorflow",
    "tf2onnx",
)


def versions() -> dict[str, str]:
    """Return the versions of the packages that shape a bundle's bytes, and of Python."""
    found = {"python": platform.python_version(), **{name: version(name) for name in _TOOLS}}
    with contextlib.suppress(PackageNotFoundError):
        found["tf-keras"] = version("tf-keras")  # an extra, for models of Keras 2
    return found


def key(digests: Mapping[str, str], options: Mapping[str, Any]) -> str:
    """Return a SHA-256 of all that a bundle depends on: sources, options, code, locks, versions.

    Args:
        digests: SHA-256 of each source file, by its part.
        options: the other inputs of the export, as plain JSON values.
    """
    content = {
        "source": dict(digests),
        "options": dict(options),
        "code": sorted((path.name, _sha256(path)) for path in _code()),
        "versions": versions(),
        "machine": platform.machine(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_report(out: Path, current: str) -> dict[str, Any]:
    """Read the last report in `out`.

    Args:
        out: the folder, usually `dist/`.
        current: the key that the report must have, from `key`.

    Returns:
        The report; empty if there is none, its key differs, or a wheel is missing or changed.
    """
    try:
        report = json.loads((out / "report.json").read_bytes())
        wheels = (report["wheel"], *report["native_wheels"])
        if report["inputs_sha256"] == current and all(_is_there(out, wheel) for wheel in wheels):
            return dict(report)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no valid report: export everything
    return {}


def target_key(target: Target, adapters: Iterable[str]) -> str:
    """Return a SHA-256 of what one target's bundle depends on besides `key`.

    This covers the target's fields; the GPUs here, if it has files for them; and the sources of
    its companion, if it has one.

    Args:
        target: the target.
        adapters: names of the GPUs here.
    """
    gpus = list(adapters) if target.gpu_engines else []
    sources = KINDS[target.companion].digest() if target.companion else ""
    return hashlib.sha256(json.dumps([target.digest(), gpus, sources]).encode()).hexdigest()


def fresh_targets(
    out: Path, report: Mapping[str, Any], chosen: Iterable[Target], adapters: Iterable[str]
) -> set[str]:
    """Find the targets whose bundle and requirements file match a report, byte for byte.

    A target is not fresh if its picture is missing; a chosen one is not if its bundle was made from
    another target file of that name, or proven on other GPUs.

    Args:
        out: the folder, usually `dist/`.
        report: from `read_report`; an empty one has no fresh targets.
        chosen: the targets of this export.
        adapters: names of the GPUs here.

    Returns:
        The names of the fresh targets, whether chosen or not.
    """
    keys = {target.name: target_key(target, adapters) for target in chosen}
    drawn = {entry["bundle"] for entry in report.get("layers", ())}
    return {
        bundle["target"]
        for bundle in report.get("bundles", ())
        if _is_there(out, bundle)
        and all(_is_there(out, entry) for entry in (bundle["requirements"], *bundle["folder"]))
        and (bundle["file"] not in drawn or (out / picture_name(bundle["file"])).is_file())
        and bundle["target_key"] == keys.get(bundle["target"], bundle["target_key"])
    }


def _is_there(out: Path, entry: Mapping[str, Any]) -> bool:
    path = out / str(entry["file"])
    return path.is_file() and _sha256(path) == str(entry["sha256"])


def _code() -> Iterator[Path]:
    """Yield the files of this package and of the runtime, the native wheels, the devices' locks."""
    folders = [PACKAGE, REQUIREMENTS]  # an installed package carries all of them
    if CHECKOUT:
        yield from native_wheels()
        runtime = CHECKOUT / "runtime"
        folders.append(runtime / "src")
        yield from (runtime / name for name in ("pyproject.toml", "README.md", "LICENSE"))
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and path.parent.name != "__pycache__":
                yield path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
