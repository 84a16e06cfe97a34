"""Other tools on the same models: TensorFlow Lite for Microcontrollers, and emlearn."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.firmware.cpus import Cpu
from strop_export.firmware.sizes import Sizes, measure_function
from strop_export.formats.plan import Plan
from tests.environments import installed, pinned, python_of, run

Array = NDArray[Any]

_HERE = Path(__file__).parent
_ALLOCATED = re.compile(r"Arena allocation (total|head) (\d+) bytes")


class Tflm(NamedTuple):
    """TensorFlow Lite for Microcontrollers on a file.

    Attributes:
        arena_bytes: all that it takes of its arena, on a PC, whose pointers have 8 bytes.
        head_bytes: the share of the tensors that are computed, which has no pointers.
        outputs: (N, ...).
    """

    arena_bytes: int
    head_bytes: int
    outputs: Array


def peers_python() -> Path:
    """Return the interpreter of an environment with both, in the releases of the benchmarks."""
    python = python_of((3, 11), (3, 12), (3, 13))
    packages = ("tflite-micro", "emlearn", "setuptools")
    return installed("mcu-peers", python, *pinned("bench"), *packages, with_uv=True)


def run_tflm(tflite: bytes, samples: Array, python: Path, folder: Path) -> Tflm:
    """Run a .tflite file over samples, (N, ...)."""
    file, given, found = (folder / f"tflm.{name}" for name in ("tflite", "in.npy", "out.npy"))
    file.write_bytes(tflite)
    np.save(given, samples)
    said = run(python, _HERE / "tflm_worker.py", file, given, found).stderr
    sizes = {name: int(size) for name, size in _ALLOCATED.findall(said)}
    return Tflm(sizes["total"], sizes["head"], np.load(found))


def is_dense(plan: Plan) -> bool:
    """Tell whether emlearn holds a model: a stack of dense layers, with relu or softmax."""
    known = ("quantize", "dequantize", "fully_connected", "softmax")
    return all(step.operator in known for step in plan.steps)


def measure_emlearn(plan: Plan, cpus: tuple[Cpu, ...], python: Path, folder: Path) -> list[Sizes]:
    """Measure emlearn's C of a stack of dense layers, compiled as ours is.

    Its arena is the input, float32; it keeps the rest in variables.
    """
    dense = [step for step in plan.steps if step.operator == "fully_connected"]
    arrays, activations = dict[str, Array](), [step.activation for step in dense]
    for i, step in enumerate(dense):
        weights, bias = (plan.tensors[number] for number in step.inputs[1:])
        values, offsets = np.asarray(weights.values), np.asarray(bias.values)
        if weights.dtype == "int8":
            scales = np.asarray(weights.scale if weights.scales is None else weights.scales)
            values = values * scales.reshape(-1, 1)
            offsets = offsets * scales.ravel() * plan.tensors[step.inputs[0]].scale
        arrays |= {f"kernel_{i}": values.T.astype("f4"), f"bias_{i}": offsets.astype("f4")}
    activations[-1] = "softmax" if plan.steps[-1].operator == "softmax" else activations[-1]
    named = ["identity" if name == "none" else name for name in activations]
    np.savez(folder / "dense.npz", allow_pickle=False, activations=named, **arrays)
    source = folder / "emlearn.c"
    headers = run(python, _HERE / "emlearn_worker.py", folder / "dense.npz", source).stdout
    zig = str(importlib.import_module("ziglang").__file__)
    libc = Path(zig).parent / "lib" / "libc" / "include"
    inputs = arrays["kernel_0"].shape[0] * 4
    made = []
    for cpu in cpus:
        family = "riscv32" if cpu.target.startswith("riscv32") else "arm"
        includes = (Path(headers), libc / f"{family}-linux-musl", libc / "generic-musl")
        made.append(measure_function([source], includes, "emlearn_run", cpu, inputs))
    return made
