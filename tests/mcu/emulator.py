"""Models on emulated boards: samples go in and outputs come out as files, by semihosting."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from native.mcu.build import BOARDS, Board, build
from strop_export.firmware.cpus import Cpu
from strop_export.firmware.folder import files
from strop_export.firmware.names import model_identifier
from strop_export.formats.plan_reader import read_plan
from tests.environments import ROOT
from tests.needs import unavailable

Array = NDArray[Any]

# The board that runs a CPU's code: an emulated M3 knows all instructions of the M0+, and the
# micro:bit, which has an M0, too little memory for most models.
BOARD_OF = {
    "cortex-m0plus": "mps2-an385",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m33": "mps2-an505",
    "rv32imac": "virt",
}
PACKAGES = {"qemu-system-arm": "qemu-system-arm", "qemu-system-riscv32": "qemu-system-misc"}
RUNNER = ROOT / "native" / "mcu" / "tests" / "run_samples.c"
_PAINTED_RUNS = 4  # of run_samples.c: these are not counted
_LIMIT_S = 900


class Ran(NamedTuple):
    """A run of samples on a board.

    Attributes:
        outputs: for each output, (N, ...).
        stack_bytes: the deepest stack that was seen.
        instructions: of a sample; without `count`, a number without a meaning.
    """

    outputs: list[Array]
    stack_bytes: int
    instructions: float


def require_qemu(board: Board) -> None:
    """End the test where the board's emulator is not installed."""
    program = board.qemu[0]
    if shutil.which(program) is None:
        unavailable(f"there is no {program}", f"apt install {PACKAGES[program]}")


def write_folder(folder: Path, plan: bytes, name: str) -> Path:
    """Write a plan as the exporter writes it for the target mcu, and return the folder."""
    for path, content in files(read_plan(plan), plan, name, None, None).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def build_runner(folder: Path, name: str, cpu: Cpu) -> Path:
    """Build the firmware that runs a folder's model over samples, and return the ELF file."""
    prefix, out = model_identifier(name), folder / f"{cpu.name}.elf"
    model = folder / "runner_model.c"
    model.write_text(
        f'#include "{prefix}.h"\n'
        f"uint64_t runner_arena[({prefix.upper()}_ARENA_BYTES + 7) / 8];\n"
        f"const strop_model *const runner_model = &{prefix};\n",
        "ascii",
    )
    sources = [RUNNER, model, *sorted((folder / "src").rglob("*.c"))]
    board = BOARDS[BOARD_OF[cpu.name]]._replace(cpu=cpu.name)
    build(sources, [folder / "src", folder / "src" / "strop"], board, out)
    return out


def run(
    firmware: Path, cpu: Cpu, plan: bytes, samples: Sequence[Array], *, count: bool = False
) -> Ran:
    """Run samples on the board of a CPU, shared among as many emulators as there are cores.

    Args:
        firmware: from `build_runner`.
        cpu: the CPU that it is for.
        plan: the model, which says what the outputs are.
        samples: for each input, (N, ...).
        count: let each instruction take a nanosecond, which is slower to emulate.
    """
    board = BOARDS[BOARD_OF[cpu.name]]
    require_qemu(board)
    rows = [np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8) for array in samples]
    shares = np.array_split(np.hstack(rows), 1 if count else len(os.sched_getaffinity(0)))
    shares = [share for share in shares if len(share)]
    with ThreadPoolExecutor(len(shares)) as pool:
        found = list(pool.map(lambda share: _run(firmware, board, share, count), shares))
    tensors = read_plan(plan)
    kinds = [
        (f"f{i}", tensors.tensors[n].dtype, tensors.tensors[n].dims)
        for i, n in enumerate(tensors.outputs)
    ]
    outputs = np.frombuffer(b"".join(out for out, _ in found), np.dtype(kinds))
    assert len(outputs) == len(samples[0])
    stack = max(int(figures[0]) for _, figures in found)
    ticks = sum(int(figures[1]) for _, figures in found)
    counted = sum(max(len(share) - _PAINTED_RUNS, 0) for share in shares)
    instructions = ticks * board.tick_ns / max(counted, 1)
    return Ran([outputs[name].copy() for name, *_ in kinds], stack, instructions)


def _run(firmware: Path, board: Board, share: Array, count: bool) -> tuple[bytes, Array]:
    with tempfile.TemporaryDirectory(prefix="strop-board-") as scratch:
        Path(scratch, "in").write_bytes(share.tobytes())
        command = [*board.qemu, "-display", "none", "-serial", "none", "-monitor", "none"]
        command += ["-semihosting", *(("-icount", "shift=0") if count else ())]
        command += ["-kernel", str(firmware.resolve())]
        done = subprocess.run(
            command, cwd=scratch, capture_output=True, stdin=subprocess.DEVNULL, timeout=_LIMIT_S
        )
        assert done.returncode == 0, f"{command}: exit {done.returncode} {done.stderr.decode()}"
        figures = np.fromfile(Path(scratch, "figures"), "<u4")
        return Path(scratch, "out").read_bytes(), figures
