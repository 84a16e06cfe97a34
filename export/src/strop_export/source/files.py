"""The paths of a source's parts, and the way to load its model."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from strop.bundle.manifest import is_name
from strop_export.errors import SourceError


@dataclass(frozen=True)
class Loading:
    """The way to load a model's file.

    Attributes:
        path: the .keras or .h5 file, or the folder of a SavedModel.
        trust: whether it may hold Lambda layers, classes of `custom` or operators that touch
            files: code that loading or running it runs.
        custom: a Python file with the custom classes and functions that the model needs.
        shapes: shapes of one sample, by input name, for inputs with free sizes; "" names the only
            input.
    """

    path: Path
    trust: bool = False
    custom: Path | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The paths of a source's parts. Evaluation, labels and the training record may be missing.

    Raises:
        SourceError: the name cannot be the name of a bundle, which is also a file's name.
    """

    name: str
    model: Path
    calibration: Path
    evaluation: Path | None = None
    labels: Path | None = None
    training: Path | None = None
    custom: Path | None = None

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise SourceError(
                f"{self.name!r} is not a valid model name: use at most 100 letters, digits, '.', "
                "'_' and '-'",
                "give another with --name (make export NAME=...)",
            )

    def paths(self) -> dict[str, Path]:
        """Return the path of each part that was given, by the part's name."""
        parts = ("model", "calibration", "evaluation", "labels", "training", "custom")
        return {part: path for part in parts if (path := getattr(self, part)) is not None}

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each file or folder, in hex, by the part's name.

        Raises:
            SourceError: a file is missing or cannot be read, or a folder holds a link.
        """
        digests = {}
        for part, path in self.paths().items():
            if part == "model" and path.is_dir():
                digests[part] = _digest(path)
                continue
            try:
                digests[part] = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise SourceError(f"cannot read the {part} file {path}: {error.strerror}") from None
        return digests


def files_in(folder: Path) -> list[Path]:
    """List the files of a folder, those of its folders too, sorted by name.

    Raises:
        SourceError: there is a link, a device or a pipe, which may lead elsewhere; or the folder
            cannot be read.
    """
    found = []
    try:
        for root, folders, names in os.walk(folder, onerror=_stop):
            for path in (Path(root, name) for name in (*folders, *names)):
                kind = path.lstat().st_mode
                if stat.S_ISREG(kind):
                    found.append(path)
                elif not stat.S_ISDIR(kind):
                    raise SourceError(
                        f"{ascii(str(path))[1:-1]} is a link, a device or a pipe",
                        "put the file itself there",
                    )
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror}") from None
    return sorted(found)


def _stop(error: OSError) -> None:
    raise error


def _digest(folder: Path) -> str:
    """Return a SHA-256 over the names and bytes of all files of a folder."""
    whole = hashlib.sha256()
    for path in files_in(folder):
        name = os.fsencode(path.relative_to(folder))
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}") from None
        whole.update(len(name).to_bytes(8, "big") + name + content)
    return whole.hexdigest()


def artifact(directory: Path, name: str | None = None) -> Files:
    """Return the files of an artifact directory, which training writes.

    Args:
        directory: the artifact directory.
        name: the name of the bundles; by default the directory's.

    Raises:
        SourceError: it is not an artifact directory.
    """
    for part in ("model.keras", "calibration.npz", "evaluation.npz", "training.json"):
        if not (directory / part).is_file():
            raise SourceError(
                f"{directory} is not an artifact directory: it has no {part}",
                "make one with `make train` or strop_export.save_artifact",
            )
    return Files(
        name=name or directory.resolve().name,
        model=directory / "model.keras",
        calibration=directory / "calibration.npz",
        evaluation=directory / "evaluation.npz",
        training=directory / "training.json",
    )
