"""The build hook of strop-native: compile the extension for one machine, and name the wheel so."""

from __future__ import annotations

import os
import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Compile(BuildHookInterface):  # type: ignore[type-arg]
    """Add the compiled extension to a wheel.

    STROP_NATIVE_MACHINE names the machine: a key of build.py's `MACHINES`; unset, this one.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what goes into the wheel and what it runs on."""
        build = runpy.run_path(str(Path(self.root) / "build.py"))
        machine = os.environ.get("STROP_NATIVE_MACHINE") or os.uname().machine
        self._folder = tempfile.TemporaryDirectory(prefix="strop-native-")
        extension = build["compile_extension"](Path(self._folder.name), machine)
        build_data["force_include"][str(extension)] = f"strop_native/{extension.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{build['MACHINES'][machine].tag}"

    def finalize(self, version: str, _data: dict[str, Any], _artifact: str) -> None:
        """Remove the extension after it was copied."""
        self._folder.cleanup()
