"""LiteRT (package ai-edge-litert): .tflite files on the CPU, through XNNPACK, and on the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ai_edge_litert
from ai_edge_litert.interpreter import Interpreter

from strop.engines.interpreter import InterpreterEngine, require_whole

if TYPE_CHECKING:
    from strop.bundle.manifest import Variant
    from strop.engines.base import Session


class LiteRT(InterpreterEngine):
    """LiteRT, on the CPU and on the GPU."""

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        """Open a .tflite file: in an interpreter on the CPU, as a CompiledModel on the GPU."""
        if device == "gpu":
            from strop.engines.litert_gpu import open_on_gpu

            require_whole(model, variant.file)
            return open_on_gpu(model, variant)
        return super().open(model, variant, device=device, threads=threads)


ENGINE = LiteRT(ai_edge_litert, Interpreter)
