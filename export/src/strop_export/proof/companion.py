"""Programs that run a target's plans elsewhere than here, written beside its bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from strop_export.firmware.sizes import Sizes
from strop_export.proof.prove import Run
from strop_export.targets import Target


@dataclass(frozen=True)
class Folder:
    """The folder beside a finished bundle.

    Attributes:
        files: path in the folder, with "/" -> content.
        fallen: (format, precision) of each plan that fails there -> the reason.
        sizes: what the program needs, by the name of each CPU; empty if that was not measured.
    """

    files: Mapping[str, bytes]
    fallen: Mapping[tuple[str, str], str] = field(default_factory=dict)
    sizes: Mapping[str, Sizes] = field(default_factory=dict)


class Companion(Protocol):
    """A page, or firmware: another program that runs the same plans."""

    def run(self, draft: Path, samples: Path, here: Run) -> Run:
        """Run a plan over all samples, and compare it with the native engine's run here.

        Args:
            draft: the bundle of the plan; files of this run are written beside it.
            samples: an .npz file of the inputs, by name.
            here: the native engine's run of the same plan and samples.

        Returns:
            The run, whose version names the companion.

        Raises:
            ProofError: it fails, or an output differs in any bit.
        """

    def folder(self, bundle: Path, target: Target, layers: Mapping[str, Sequence[str]]) -> Folder:
        """Make the folder beside a finished bundle, and replay the golden samples on it.

        Args:
            bundle: the bundle.
            target: the target as asked for, with its options.
            layers: for the plan of each precision the Keras layer of each step, "" for none.

        Raises:
            ProofError: there is no plan for it, or the replay itself fails.
            DoesNotFit: it needs more memory than the target's devices have.
        """


def sources_digest(root: Path, parts: Iterable[str]) -> str:
    """Return a SHA-256 of some files, and of all files in some folders.

    Args:
        root: the folder above them.
        parts: the names of files and folders there.
    """
    digest = hashlib.sha256()
    for part in parts:
        path = root / part
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.parent.name != "__pycache__":
                digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()
