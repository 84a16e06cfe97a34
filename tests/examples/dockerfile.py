"""A Dockerfile's instructions, carried out in folders and a userland, without Docker."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Run = Callable[[list[str], Path], None]  # a command, and the folder that it runs in


class Instruction(NamedTuple):
    """An instruction, its options that begin with --, and the rest of it."""

    name: str
    options: tuple[str, ...]
    rest: str

    @property
    def words(self) -> list[str]:
        """The words of the rest, which may be JSON."""
        words: list[str] = (
            json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)
        )
        return words


def read(path: Path) -> list[Instruction]:
    """Read the instructions of a Dockerfile."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    found = []
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            options = re.match(r"((?:--\S+ +)*)(.*)", rest)
            assert options
            found.append(Instruction(name, tuple(options[1].split()), options[2].strip()))
    return found


class Image:
    """The files of an image, each absolute path of it in a folder of its own."""

    def __init__(self, folder: Path, context: Path, paths: tuple[str, ...], run: Run) -> None:
        self.folder, self.context = folder, context
        self._paths, self._run = paths, run
        self._here = folder

    def build(self, instructions: list[Instruction]) -> None:
        """Carry out the instructions that make files; a stage finds those of the earlier ones."""
        for one in instructions:
            if one.name == "FROM":
                self._here = self.folder
            elif one.name == "WORKDIR":
                self._here = Path(self.inside(one.rest))
                self._here.mkdir()
            elif one.name == "COPY" and not one.options:
                self._copy(*one.words)
            elif one.name == "RUN":
                self._run(["sh", "-ec", self.inside(one.rest)], self._here)

    def inside(self, text: str) -> str:
        """Write the image's paths as those here."""
        for path in self._paths:
            text = text.replace(path, str(self.folder / path.strip("/")))
        return text

    def _copy(self, *words: str) -> None:
        *sources, target = words
        place = self._here / self.inside(target)
        files = [file for source in sources for file in sorted(self.context.glob(source))]
        assert len(files) >= len(sources), f"COPY finds too few files: {files}"
        place = place if target.endswith("/") else place.parent
        place.mkdir(parents=True, exist_ok=True)
        for file in files:
            name = file.name if target.endswith("/") else Path(target).name
            shutil.copy(file, place / name)
