"""The folder of a model for microcontrollers: an Arduino library and a CMake project at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from strop_export.firmware import programs, selfcheck
from strop_export.firmware.programs import Golden
from strop_export.firmware.source import header, model_of, source
from strop_export.formats.plan import Plan
from strop_export.paths import NATIVE

__all__ = ["Golden", "files"]

# Headers of the native engine that the kernels share, by the name they have in the folder.
SHARED: Final = ("activations.h", "bits.h", "exponential.h", "reference.h")


def kernel_files() -> list[Path]:
    """List the hand-written C of every folder: kernels, and headers of the native engine."""
    own = (path for path in (NATIVE / "mcu").iterdir() if path.suffix in (".c", ".h"))
    return sorted([*own, *(NATIVE / "src" / "kernels" / name for name in SHARED)])


def files(
    plan: Plan,
    plan_bytes: bytes,
    name: str,
    tflite: bytes | None,
    golden: Golden | None,
    layers: Sequence[str] = (),
) -> dict[str, bytes]:
    """Write a plan as a folder of C.

    Args:
        plan: the plan, with the rounding `reference` or none.
        plan_bytes: its file.
        name: the model's, any text.
        tflite: the same model for TensorFlow Lite for Microcontrollers; None: without it.
        golden: samples to compile in; None: none.
        layers: the Keras layer of each step, "" where none is known.

    Returns:
        The content of each file, by its path in the folder.

    Raises:
        ConversionError: the plan cannot be written as C.
    """
    model = model_of(plan, plan_bytes, name)
    prefix = model.prefix
    texts = {
        f"src/{prefix}.h": header(model, has_golden=golden is not None),
        f"src/{prefix}.c": source(model, layers),
        "main.c": programs.main_program(model, has_golden=golden is not None),
        "examples/classify/classify.ino": programs.sketch(model),
        "library.properties": programs.arduino_properties(model),
        "README.md": programs.readme(
            model, has_golden=golden is not None, has_tflm=tflite is not None
        ),
    }
    if golden is not None:
        texts[f"src/{prefix}_golden.c"] = programs.golden_source(model, golden)
        texts["selfcheck_main.c"] = selfcheck.program(model)
        texts["examples/selfcheck/selfcheck.ino"] = selfcheck.sketch(model)
    if tflite is not None:
        texts[f"tflm/{prefix}_model.h"] = programs.tflm_header(model)
        texts[f"tflm/{prefix}_model.cc"] = programs.tflm_source(model, tflite)
    kernels = {f"src/strop/{path.name}": path.read_bytes() for path in kernel_files()}
    sources = sorted(path for path in (*texts, *kernels) if _is_source(path))
    texts["CMakeLists.txt"] = programs.cmake(model, sources, has_golden=golden is not None)
    return {path: text.encode() for path, text in texts.items()} | kernels


def _is_source(path: str) -> bool:
    return path.startswith("src/") and path.endswith(".c")
