"""The Python environments of the peers, and the environment variables of every process in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import CACHE, ROOT, NotMeasurable
from benchmarks.peers import Absent, strop_runtime

# Libraries read these when they load: one thread each, and no telemetry.
_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TVM_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONNOUSERSITE": "1",
}
# What holds oneDNN (OpenVINO's kernels) and Strop's own engine to an older CPU's instructions.
_HELD = {"avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", strop_runtime.KERNELS: "avx2"}}
# Without bytecode every cold start would compile NumPy again; the others are the caller's.
_UNSET = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONHOME", "PYTHONWARNINGS")


@dataclass(frozen=True)
class Environments:
    """The interpreter of each environment, or why there is none, and the place of Strop."""

    pythons: Mapping[str, Path | str]
    strop: Path  # a folder, for PYTHONPATH
    private: Path  # a separate cache folder, without earlier tuning

    def python(self, name: str) -> Path:
        """Return the interpreter of an environment.

        Raises:
            Absent: this machine has no such environment.
        """
        python = self.pythons[name]
        if isinstance(python, str):
            raise Absent(python)
        return python

    def variables(self, isa: str = "") -> dict[str, str]:
        """Return the environment variables of a measured process.

        Args:
            isa: the newest instructions that it may use; "" for those of the CPU.
        """
        kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
        paths = os.pathsep.join((str(self.strop), str(ROOT)))
        return {
            **kept,
            **_SETTINGS,
            **_HELD.get(isa, {}),
            "PYTHONPATH": paths,
            "XDG_CACHE_HOME": str(self.private),
        }

    def site_packages(self, name: str) -> Path:
        """Return the folder of an environment's packages.

        Raises:
            Absent: this machine has no such environment.
        """
        (folder,) = self.python(name).parent.parent.glob("lib/python3*/site-packages")
        return folder


def here(wheels: Sequence[Path]) -> Environments:
    """Find the environments that the Makefile and `make export` made, and install Strop's wheels.

    Args:
        wheels: Strop and its native engine, as they ship.

    Raises:
        NotMeasurable: the wheels do not install.
    """
    pythons: dict[str, Path | str] = {"keras": Path(sys.executable)}
    for name, folder, mend in (
        ("peers", CACHE / "peers", "`make bench` makes it"),
        ("tflite", ROOT / ".cache" / "engines" / "tflite", "`make export` says why"),
    ):
        python = folder / "bin" / "python"
        pythons[name] = python if python.exists() else f"there is no {folder}: {mend}"
    return Environments(pythons, _installed(wheels), CACHE / "private")


def _installed(wheels: Sequence[Path]) -> Path:
    """Return a folder with the wheels' files only: the other engines are elsewhere."""
    content = hashlib.sha256()
    for wheel in wheels:
        content.update(wheel.read_bytes())
    folder = CACHE / f"strop-{content.hexdigest()[:16]}"
    if not folder.is_dir():
        for old in CACHE.glob("strop-*"):
            shutil.rmtree(old)
        beside = CACHE / "strop.part"
        shutil.rmtree(beside, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--target", str(beside), *map(str, wheels)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            names = ", ".join(wheel.name for wheel in wheels)
            raise NotMeasurable(f"pip cannot install {names}: {said}")
        beside.rename(folder)
    return folder
