"""The check of an artifact's folder, before TensorFlow is loaded and hours are spent."""

import json
import os
from pathlib import Path
from typing import Any

from train.errors import OutputError
from train.paths import shown
from train.storage import writing

RECORD = "training.json"


def check(target: Path) -> None:
    """Make sure that ``target`` may become an artifact directory.

    Raises:
        OutputError: if something else is there, if the current folder is inside it (always so for
            ``/``), or if its parent folder cannot be written.
    """
    if Path.cwd().is_relative_to(os.path.realpath(target)):
        raise OutputError(
            f"{shown(target)} is the current folder or a parent of it, and would be replaced: "
            f"choose another place with --out"
        )
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        probe = target.with_name(f".{target.name}.probe")
        probe.mkdir(exist_ok=True)
        probe.rmdir()
    if target.is_dir():
        if not (target / RECORD).is_file() and any(target.iterdir()):
            raise OutputError(
                f"{shown(target)} holds something that is not a trained model (no {RECORD}), and "
                f"would be replaced: choose another place with --out"
            )
    elif target.exists() or target.is_symlink():
        raise OutputError(f"{shown(target)} is not a folder: choose another place with --out")


def read_record(target: Path) -> dict[str, Any]:
    """Read the ``training.json`` of the artifact at ``target``.

    Returns:
        Its content; empty if there is none.
    """
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
