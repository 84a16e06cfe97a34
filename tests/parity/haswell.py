"""The answers of onnxruntime on a CPU without VNNI, by emulation."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.environments import run
from tests.needs import unavailable

_WORKER = Path(__file__).with_name("haswell_worker.py")


def run_on_haswell(
    models: Mapping[str, bytes], inputs: NDArray[np.uint8], folder: Path
) -> dict[str, NDArray[np.float32]]:
    """Return the outputs of each .onnx file over all inputs, on an emulated 2013 CPU (up to AVX2).

    QEMU's user mode emulates the processor for one program: this environment's own Python.
    """
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        unavailable("no qemu-x86_64 to emulate a CPU without VNNI", "apt install qemu-user")
    np.save(folder / "inputs.npy", inputs)
    for name, data in models.items():
        (folder / f"{name}.onnx").write_bytes(data)
    files = [folder / f"{name}.onnx" for name in models]
    run(emulator, "-cpu", "Haswell", sys.executable, _WORKER, folder / "inputs.npy", *files)
    return {name: np.load(folder / f"{name}.npy") for name in models}
