"""The boards, read from `boards/*.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from lab.errors import LabError

ROOT = Path(__file__).parent.parent
BOARDS = Path(__file__).parent / "boards"

# engine -> its PyPI package, which may have no wheel for a board; None: it is not from PyPI
PACKAGES = {
    "native": None,
    "litert": "ai-edge-litert",
    "tflite": "tflite-runtime",
    "onnx": "onnxruntime",
    "reference": None,
}

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l", "armel": "armel"}


@dataclass(frozen=True)
class Board:
    """One emulated board: Debian's userland, a CPU model of QEMU's, and the engines for it."""

    name: str
    description: str
    suite: str  # Debian's: bookworm, trixie
    architecture: str  # Debian's name: arm64, armhf, armel, amd64
    python: str  # the suite's: "3.11"
    packages: tuple[str, ...]  # Debian's, besides Python itself
    emulator: str  # a program of QEMU's user mode, such as qemu-arm
    cpu: str  # a CPU model of that program
    platform: str  # the newest wheel tag it takes: manylinux_<glibc>_<machine>
    bundles: tuple[str, ...]  # targets whose bundles it runs; the first with a variant is used
    engines: tuple[str, ...]  # engines that it runs; "reference" needs no wheel
    requirements: str | None = None  # the lock of those wheels, under requirements/

    @property
    def machine(self) -> str:
        """The name of its machine in `native.build.MACHINES`."""
        return _MACHINES[self.architecture]

    @property
    def without_wheel(self) -> tuple[str, ...]:
        """Engines that PyPI has no wheel of for this board."""
        return tuple(name for name in PACKAGES if name not in self.engines)


def wheel_tags(platform: str) -> tuple[str, ...]:
    """List every tag that a platform of this newest tag takes, newest first (PEP 600).

    Args:
        platform: the newest tag, as in manylinux_2_36_aarch64.
    """
    found = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    if not found:
        return (platform,)
    newest, machine = int(found[1]), found[2]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)]
    return (*tags, f"manylinux2014_{machine}", f"linux_{machine}")


def names() -> tuple[str, ...]:
    """List the names of the boards."""
    return tuple(sorted(path.stem for path in BOARDS.glob("*.toml")))


def load(name: str) -> Board:
    """Read a board.

    Raises:
        LabError: there is no board of that name, or its file has a field missing or unknown.
    """
    if name not in names():
        raise LabError(f"there is no board {name!r}; there are {', '.join(names())}")
    path = BOARDS / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"cannot read {path}: {error}") from None
    allowed = {field.name for field in fields(Board)} - {"name"}
    needed = {f.name for f in fields(Board) if f.default is MISSING} - {"name"}
    if wrong := (content.keys() - allowed) | (needed - content.keys()):
        raise LabError(f"{path.name}: missing or unknown field: {', '.join(sorted(wrong))}")
    if unknown := set(content["engines"]) - PACKAGES.keys():
        raise LabError(f"{path.name}: no engine {', '.join(unknown)}; {', '.join(PACKAGES)}")
    lists = {key: tuple(value) for key, value in content.items() if isinstance(value, list)}
    return Board(name=name, **{**content, **lists})
