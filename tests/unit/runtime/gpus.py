"""GPUs for the programs that tests start: none, or a software GPU."""

from __future__ import annotations

import os
from pathlib import Path

from lab import vulkan
from strop_export.errors import EngineMissing
from strop_export.proof.environments import python_for
from tests.needs import unavailable

_NO_CUDA = {"CUDA_VISIBLE_DEVICES": ""}
# The variables with which a program finds no GPU on any machine.
NONE = {"VK_DRIVER_FILES": os.devnull, "VK_ICD_FILENAMES": os.devnull, **_NO_CUDA}


def software() -> dict[str, str]:
    """The variables with which a program finds one GPU, the lab's software GPU."""
    if not vulkan.is_built():
        unavailable("there is no software GPU", "make lab-gpu")
    return {**vulkan.environment(), **_NO_CUDA}


def webgpu_python() -> Path:
    """The interpreter of an environment with the onnxruntime for Vulkan GPUs."""
    try:
        return python_for("onnx", "gpu")
    except EngineMissing as error:
        unavailable(str(error), "a package index within reach")
