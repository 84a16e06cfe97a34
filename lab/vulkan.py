"""A software GPU for tests: SwiftShader, a Vulkan device on the CPU.

    .cache/lab/vulkan/
        usr/lib/<machine>/      Vulkan's loader
        usr/lib/chromium/       SwiftShader, a device that computes nothing, and the files that
                                name them to the loader
        run/                    $XDG_RUNTIME_DIR

Debian ships SwiftShader with Chromium. (Mesa's software device in bookworm is too old for WebGPU
and for LiteRT.) Nothing is installed: a program sees the device if it is started with the variables
that `environment` returns.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from lab import debian
from lab.boards import ROOT
from lab.errors import LabError
from lab.machine import CACHE
from lab.steps import call, locked, made, make

FOLDER = CACHE / "vulkan"
# The oldest suite that is new enough: its libraries run with every later C library too.
SUITE = "bookworm"
PACKAGES = ("chromium-common", "libvulkan1")
DRIVER, DRIVER_FILE = "libvk_swiftshader.so", "vk_swiftshader_icd.json"
# Khronos's mock device: it does not call itself software, and no WebGPU can use it.
MOCK, MOCK_FILE = "libVkICD_mock_icd.so", "mock_icd.json"

_ASK = "from strop.device import adapters; print(*adapters.vulkan(), sep='; ')"

Progress = Callable[[str], None]


def is_built() -> bool:
    """Tell whether the device is built by the current version of this file."""
    return made(FOLDER, _recipe())


def build(progress: Progress) -> None:
    """Make the device, unless it is there; an interrupted build reuses its downloads.

    Args:
        progress: called with a line at each step.

    Raises:
        LabError: a package cannot be fetched, or the loader does not find the device.
    """
    with locked(FOLDER.with_suffix(".lock")):
        make(FOLDER, _recipe(), by=lambda folder: _fill(folder, progress))


def environment() -> dict[str, str]:
    """Return the variables with which a program sees only this Vulkan device.

    Raises:
        LabError: it is not built.
    """
    _insist_on_it()
    return _environment()


def no_adapter() -> dict[str, str]:
    """Return the variables with which a program finds Vulkan's loader, and no device.

    Raises:
        LabError: the loader is not there.
    """
    _insist_on_it()
    return {**_environment(), **_driver(Path(os.devnull))}


def beside_another() -> dict[str, str]:
    """Return the variables with which a program sees this device, and one that WebGPU cannot use.

    Raises:
        LabError: it is not built.
    """
    _insist_on_it()
    return {**_environment(), **_driver(_drivers() / MOCK_FILE, _drivers() / DRIVER_FILE)}


def adapter() -> str:
    """Return the runtime's name of the device in a process with these variables.

    Raises:
        LabError: it is not built, or not found.
    """
    _insist_on_it()
    return _adapter()


def _fill(folder: Path, progress: Progress) -> None:
    progress(f"fetching SwiftShader and Vulkan's loader from Debian {SUITE}")
    ours = call(["dpkg", "--print-architecture"], "asking for this machine's architecture").strip()
    fetched = folder.parent / "packages" / f"{SUITE}-{ours}"
    with locked(fetched.with_suffix(".lock")):  # shared with the boards of this userland
        debs = debian.download(fetched, SUITE, ours, PACKAGES)
        # Their other dependencies are for Chromium (X11), or on every machine (libc, libgcc).
        debian.unpack((deb for deb in debs if deb.name.partition("_")[0] in PACKAGES), folder)
    for path in _drivers().iterdir():  # 60 MB of a browser
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (DRIVER, DRIVER_FILE, MOCK):
            path.unlink()
    mock = {"library_path": f"./{MOCK}", "api_version": "1.1.0"}
    content = {"file_format_version": "1.0.0", "ICD": mock}
    (_drivers() / MOCK_FILE).write_text(json.dumps(content), encoding="ascii")
    (folder / "run").mkdir(mode=0o700)
    progress(f"Vulkan's loader finds {_adapter()}")


def _environment() -> dict[str, str]:
    # This loader is used; Chromium's copy is removed.
    (loader,) = FOLDER.glob("usr/lib/*/libvulkan.so.1")
    return {
        "LD_LIBRARY_PATH": str(loader.parent),
        "XDG_RUNTIME_DIR": str(FOLDER / "run"),
        **_driver(_drivers() / DRIVER_FILE),
    }


def _drivers() -> Path:
    return FOLDER / "usr" / "lib" / "chromium"


def _driver(*files: Path) -> dict[str, str]:
    """Name the only drivers that the loader may use, in its new variable and its old one."""
    listed = ":".join(map(str, files))
    return {"VK_DRIVER_FILES": listed, "VK_ICD_FILENAMES": listed}


def _adapter() -> str:
    # In another process: the variables must be set when it starts, and the lab imports no stage.
    variables = {**_environment(), "PYTHONPATH": str(ROOT / "runtime" / "src")}
    words = ["env", *(f"{name}={value}" for name, value in variables.items())]
    found = call([*words, sys.executable, "-c", _ASK], "asking Vulkan's loader for devices").strip()
    if not found:
        raise LabError(
            f"Vulkan's loader does not find SwiftShader in {FOLDER}: remove that folder, then "
            f"make lab-gpu"
        )
    return found


def _insist_on_it() -> None:
    if not is_built():
        raise LabError("the software GPU is not built: make lab-gpu")


def _recipe() -> str:
    return Path(__file__).read_text(encoding="utf-8")
