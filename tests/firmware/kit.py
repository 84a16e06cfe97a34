"""Generated C, compiled for this machine, and run over samples."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from native.build import WARNINGS
from strop_export.firmware.folder import Golden, files, kernel_files
from strop_export.firmware.names import model_identifier
from strop_export.formats.plan_reader import read_plan
from strop_export.proof.firmware import WORKER
from tests.contract import plan_referee
from tests.native.test_parity import differing

Array = NDArray[Any]
STRICT = ["-std=c99", *WARNINGS]


def write(folder: Path, file: bytes, name: str = "some-net", golden: Golden | None = None) -> Path:
    """Write the folder of a plan, and return it."""
    for path, content in files(read_plan(file), file, name, None, golden).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


class Compiler:
    """A compiler with flags, and the kernels that it has compiled.

    Args:
        folder: an empty one, for objects.
        command: the compiler.
        flags: its options.

    Attributes:
        kernels: the objects.
        finds_faults: whether its programs stop at undefined behaviour.
    """

    def __init__(self, folder: Path, command: Sequence[str], flags: Sequence[str]) -> None:
        self._command = [*command, *flags]
        self.finds_faults = any(flag.startswith("-fsanitize=") for flag in flags)
        for path in kernel_files():
            (folder / path.name).write_bytes(path.read_bytes())
        self.kernels: list[Path] = []
        for source in sorted(folder.glob("*.c")):  # zig takes one with -c
            self._run("-c", source, "-o", source.with_suffix(".o"))
            self.kernels.append(source.with_suffix(".o"))

    def program(self, folder: Path, name: str = "some-net", main: str = "") -> Path:
        """Compile the model of a folder with a main file, by default that of the proof."""
        (folder / "tried.c").write_text(main or WORKER.read_text())
        inputs = [folder / "tried.c", *sorted((folder / "src").glob("*.c")), *self.kernels]
        options = [f"-I{folder / 'src'}", f"-I{folder / 'src' / 'strop'}"]
        options.append(f"-DSTROP_MODEL={model_identifier(name)}")
        self._run(*options, *inputs, "-o", folder / "program")
        return folder / "program"

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run([*self._command, *arguments], check=True, timeout=300)


def run(program: Path, file: bytes, *samples: Array) -> list[Array]:
    """Return the outputs of a plan for samples, each (N, ...)."""
    plan = plan_referee.read(file)
    given = [program.with_name(f"in{i}") for i in range(len(plan.inputs))]
    found = [program.with_name(f"out{i}") for i in range(len(plan.outputs))]
    for path, array in zip(given, samples, strict=True):
        array.tofile(path)
    ended = subprocess.run([program, *given, *found], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    outputs = [plan.tensors[number] for number in plan.outputs]
    return [
        np.fromfile(path, tensor.dtype).reshape(len(samples[0]), *tensor.dims)
        for path, tensor in zip(found, outputs, strict=True)
    ]


def compare(program: Path, file: bytes, *samples: Array) -> list[Array]:
    """Compare all outputs with the referee's, to the bit, and return them."""
    found, expected = run(program, file, *samples), plan_referee.outputs(file, *samples)
    for ours, theirs in zip(found, expected, strict=True):
        assert differing(ours, theirs) == 0
    return found
