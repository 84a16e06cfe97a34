"""A target of few files on one engine: whole exports for it are quick."""

from __future__ import annotations

from pathlib import Path


def write_board(folder: Path, *precisions: str) -> Path:
    """Write a target with .tflite files of some precisions, and return its path."""
    variants = ", ".join(f'{{format = "tflite", precision = "{each}"}}' for each in precisions)
    path = folder / "board.toml"
    path.write_text(
        'description = "a board"\n'
        'platforms = ["linux-aarch64"]\n'
        'requirements = "litert.txt"\n'
        'extra = "litert"\n'
        'engines = ["litert"]\n'
        f"variants = [{variants}]\n",
        encoding="ascii",
    )
    return path
