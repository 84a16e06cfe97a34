"""Build the wheels of strop-native for all machines: python -m native.wheels --out .cache/native.

A wheel has the same bytes each time it is built.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from native.build import HERE, MACHINES

SHIPPED = ("x86_64", "aarch64", "armv7l", "armv6l")  # armel is for the lab alone
_PARTS = ("README.md", "build.py", "hatch_build.py", "include", "pyproject.toml", "python", "src")


def lacks() -> str:
    """Say what this workstation lacks to compile, and how to get it; "" if nothing."""
    if sys.platform != "linux":
        return f"its wheels are built on Linux only, and this is {sys.platform}"
    if importlib.util.find_spec("ziglang") is None:
        return "ziglang is not installed: pip install ziglang"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return "Python's headers are missing: on Debian, apt install python3-dev"
    return ""


def sources() -> list[Path]:
    """List the files that a wheel is made from, without the bytecode that Python leaves there."""
    paths = (path for part in _PARTS for path in (HERE / part, *(HERE / part).rglob("*")))
    return sorted(path for path in paths if path.is_file() and path.suffix != ".pyc")


def build(machine: str, out: Path) -> Path:
    """Build the wheel for one of `MACHINES` into a folder, and return it.

    Raises:
        CalledProcessError: it does not compile; the compiler has said why.
    """
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "STROP_NATIVE_MACHINE": machine}
    with tempfile.TemporaryDirectory(prefix=".", dir=out) as folder:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        built = subprocess.run(
            [*command, "--directory", folder],
            cwd=HERE,
            env=environment,
            capture_output=True,
            text=True,
        )
        if built.returncode:
            print(built.stdout, built.stderr, sep="", file=sys.stderr)
            built.check_returncode()
        [wheel] = Path(folder).iterdir()
        return wheel.replace(out / wheel.name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the wheels; without a compiler print the reason, and exit with 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("machines", nargs="*", default=SHIPPED, metavar="MACHINE", help="of these")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    if unknown := set(given.machines) - MACHINES.keys():
        parser.error(f"no machine {min(unknown)!r}: there are {', '.join(MACHINES)}")
    if why := lacks():
        print(f"Without the native engine: {why}", file=sys.stderr)
        return
    out = given.out.resolve()
    made = set()
    for machine in given.machines:
        wheel = build(machine, out)
        made.add(wheel)
        print(f"{wheel.name}: {wheel.stat().st_size:,} bytes", flush=True)
    for earlier in set(out.glob("strop_native-*.whl")) - made:  # now that an export needs none
        earlier.unlink()


if __name__ == "__main__":
    main()
