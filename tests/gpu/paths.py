"""The paths to a GPU, each in an environment as a device installs it, on an adapter.

path           engine  package              adapters
litert         litert  ai-edge-litert       Vulkan
onnx-webgpu    onnx    onnxruntime-webgpu   Vulkan
onnx-cuda      onnx    onnxruntime-gpu      NVIDIA's CUDA
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.device import adapters
from tests.compared import Figures, compare
from tests.conftest import Exported
from tests.environments import ROOT, installed, python_of

MODERN = ((3, 11), (3, 12), (3, 13))  # the Pythons for which all three have wheels
EXTRAS = {"litert": "litert", "onnx-webgpu": "onnx-webgpu", "onnx-cuda": "onnx-gpu"}
VULKAN_PATHS = ("litert", "onnx-webgpu")
CUDA_PATHS = ("onnx-cuda",)
PRECISIONS = ("float32", "float16")

GPU_FILE = ROOT / "dist" / "gpu.json"
LIMIT_S = 240


@dataclass(frozen=True)
class Place:
    """A place for tests: the variables that make an adapter visible."""

    name: str  # "software", "vulkan", "cuda"
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def paths(self) -> tuple[str, ...]:
        return CUDA_PATHS if self.name == "cuda" else VULKAN_PATHS


@dataclass(frozen=True)
class Cell:
    """One path at one precision in one place."""

    place: str
    path: str
    precision: str

    def __str__(self) -> str:
        return f"{self.place}-{self.path}-{self.precision}"


def has_vulkan() -> bool:
    """Tell whether this machine has a GPU that Vulkan sees, not only a software adapter."""
    return any(not adapter.is_software for adapter in adapters.vulkan())


def has_cuda() -> bool:
    return bool(adapters.cuda())


def engine(path: str) -> str:
    return path.partition("-")[0]


def python(path: str, exported: Exported) -> Path:
    """The interpreter of a path's environment: the wheel and one engine."""
    wheel = f"{exported.wheel}[{EXTRAS[path]}]"
    if path == "onnx-webgpu":  # as in the target's requirements, with hashes
        lock = ("--require-hashes", "-r", "requirements-gpu.txt")
        return installed(f"gpu-{path}", python_of(*MODERN), *lock, cwd=exported.dist)
    return installed(f"gpu-{path}", python_of(*MODERN), wheel)


def strop(
    interpreter: Path, arguments: Iterable[object], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `strop ARGUMENTS`; the caller judges its exit status."""
    return run(interpreter, ["-m", "strop", *arguments], variables)


def run(
    interpreter: Path, arguments: Iterable[object], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments and variables outside the checkout, so that the wheel is used."""
    return subprocess.run(
        [str(interpreter), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env={**os.environ, **variables},
        cwd="/",
    )


def figures(answers: Path, evaluation: Mapping[str, NDArray[Any]]) -> Figures:
    return compare(np.load(answers), evaluation["outputs"], evaluation["labels"])
