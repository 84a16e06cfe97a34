"""The folder an artifact goes to: checked before TensorFlow is loaded and hours are spent."""

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
        OutputError: if something else is there, if this process stands in it (as it always does in
            ``/``), or if the folder around it cannot be written.
    """
    if Path.cwd().is_relative_to(os.path.realpath(target)):
        raise OutputError(
            f"{shown(target)} is the current folder or one around it, and would be replaced: "
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
        Its content; empty where there is none to read.
    """
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
