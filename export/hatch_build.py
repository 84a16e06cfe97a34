"""The build hook of strop-export: its wheel carries the devices' wheels, locks and C kernels."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilder

LOCKS = ("litert", "onnx", "onnx-webgpu", "tflite", "tflite-armv7l")
CARRIED = "strop_export/carried"


class Carry(BuildHookInterface):  # type: ignore[type-arg]
    """Add files from the checkout to a wheel; an editable one finds them in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the runtime's wheel, and name what is to be carried."""
        if version == "editable":
            return
        checkout = Path(self.root).parent
        self._folder = tempfile.TemporaryDirectory(prefix="strop-runtime-")
        (wheel,) = WheelBuilder(str(checkout / "runtime")).build(directory=self._folder.name)
        carried = build_data["force_include"]
        carried[wheel] = f"{CARRIED}/{Path(wheel).name}"
        for native in (checkout / ".cache" / "native").glob("strop_native-*.whl"):
            carried[str(native)] = f"{CARRIED}/{native.name}"  # none without a compiler
        for name in LOCKS:
            lock = checkout / "requirements" / f"{name}.txt"
            carried[str(lock)] = f"{CARRIED}/requirements/{lock.name}"
        for part in ("mcu", "src/kernels"):  # as the checkout has them
            for source in (checkout / "native" / part).glob("*.[ch]"):
                carried[str(source)] = f"{CARRIED}/native/{part}/{source.name}"

    def finalize(self, version: str, _data: dict[str, Any], _artifact: str) -> None:
        """Remove the runtime's wheel after it was copied."""
        if version != "editable":
            self._folder.cleanup()
