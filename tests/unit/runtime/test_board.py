"""The description of a board, from the files of other boards."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from strop.device import board
from strop.device.board import features, userland
from strop.device.cpu import cpu_model
from tests.environments import ROOT, run
from tests.needs import unavailable

NOTHING: frozenset[str] = frozenset()


def _root(folder: Path, **files: str) -> Path:
    """A root directory with these files; __ in a name stands for /."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_a_pi_says_its_name_in_the_device_tree_with_a_nul(tmp_path: Path) -> None:
    root = _root(tmp_path, **{"proc__device-tree__model": "Raspberry Pi 4 Model B Rev 1.4\0"})
    assert board.read(root).board == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_pc_says_its_name_in_dmi(tmp_path: Path) -> None:
    files = {"sys_vendor": "LENOVO\n", "product_name": "20XW\n"}
    root = _root(tmp_path, **{f"sys__class__dmi__id__{name}": text for name, text in files.items()})
    assert board.read(root).board == "LENOVO 20XW"


def test_without_a_device_tree_cpuinfo_may_name_the_board(tmp_path: Path) -> None:
    root = _root(
        tmp_path, proc__cpuinfo="processor\t: 0\n\nModel\t\t: Raspberry Pi Zero W Rev 1.1\n"
    )
    assert board.read(root).board == "Raspberry Pi Zero W Rev 1.1"


def test_a_board_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    here = board.read(tmp_path)
    assert (here.board, here.os, here.debian, here.cpu.model) == ("unknown",) * 2 + (
        False,
        "unknown",
    )
    assert here.cpu.cores >= 1


def test_what_a_file_says_is_fit_for_a_terminal(tmp_path: Path) -> None:
    root = _root(tmp_path, **{"proc__device-tree__model": "a\x1b[31mboard\tof\u2028mine"})
    assert board.read(root).board.isprintable()


@pytest.mark.parametrize(
    ("text", "name", "debian"),
    [
        ('PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\nID=raspbian\nID_LIKE=debian\n',
         "Raspbian GNU/Linux 12 (bookworm)", True),
        ('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
         "Debian GNU/Linux 13 (trixie)", True),
        ("PRETTY_NAME='Ubuntu 24.04'\nID=ubuntu\nID_LIKE=\"debian\"\n", "Ubuntu 24.04", True),
        ('PRETTY_NAME="Alpine Linux v3.22"\nID=alpine\n', "Alpine Linux v3.22", False),
        ('PRETTY_NAME="Rocky Linux 9"\nID_LIKE="rhel centos fedora"\n', "Rocky Linux 9", False),
    ],
)  # fmt: skip
def test_the_os_says_its_name_and_family(
    tmp_path: Path, text: str, name: str, debian: bool
) -> None:
    here = board.read(_root(tmp_path, etc__os_release="", **{"etc__os-release": text}))
    assert (here.os, here.debian) == (name, debian)


@pytest.mark.parametrize(
    ("kernel", "bits", "multiarch", "machine"),
    [
        ("x86_64", 64, "x86_64-linux-gnu", "x86_64"),
        ("x86_64", 32, "i386-linux-gnu", "i686"),
        ("aarch64", 64, "aarch64-linux-gnu", "aarch64"),
        ("aarch64", 32, "arm-linux-gnueabihf", "armv7l"),
        ("armv8l", 32, "arm-linux-gnueabihf", "armv7l"),
        ("armv7l", 32, "arm-linux-gnueabihf", "armv7l"),
        ("armv6l", 32, "arm-linux-gnueabihf", "armv6l"),
        ("armv6l", 32, "arm-linux-gnueabi", "armel"),
        ("armv7l", 32, "None", "armv7l"),
    ],
)
def test_the_machine_is_what_programs_see(
    kernel: str, bits: int, multiarch: str, machine: str
) -> None:
    assert userland(kernel, bits, multiarch) == machine


Cpuinfo = Mapping[str, tuple[str, ...]]

# machine, the kernel's text, the model and features found in it
CPUINFO: dict[str, tuple[str, Cpuinfo, tuple[str, tuple[str, ...]]]] = {
    "Pi Zero": (
        "armv6l",
        {
            "model name": ("ARMv6-compatible processor rev 7 (v6l)",),
            "Features": ("half thumb fastmult vfp edsp java tls",),
            "CPU implementer": ("0x41",),
            "CPU part": ("0xb76",),
        },
        ("ARM1176", ("VFP",)),
    ),
    "Pi 2": (
        "armv7l",
        {
            "Features": ("half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32",),
            "CPU implementer": ("0x41",),
            "CPU part": ("0xc07",),
        },
        ("Cortex-A7", ("VFP", "VFPv3", "VFPv4", "NEON")),
    ),
    "Pi 3 of 32 bits, its kernel of 64": (
        "armv7l",
        {
            "Features": ("fp asimd evtstrm crc32 cpuid",),
            "CPU implementer": ("0x41",),
            "CPU part": ("0xd03",),
        },
        ("Cortex-A53", ("VFP", "VFPv3", "VFPv4", "NEON")),
    ),
    "Pi 5": (
        "aarch64",
        {
            "Features": ("fp asimd evtstrm aes pmull atomics fphp asimdhp cpuid asimdrdm asimddp",),
            "CPU implementer": ("0x41",),
            "CPU part": ("0xd0b",),
        },
        ("Cortex-A76", ("NEON", "fp16 (asimdhp)", "dot product (asimddp)")),
    ),
    "big and little": (
        "aarch64",
        {
            "Features": ("fp asimd",),
            "CPU implementer": ("0x41",),
            "CPU part": ("0xd03", "0xd09"),
        },
        ("Cortex-A53 + Cortex-A73", ("NEON",)),
    ),
    "a PC": (
        "x86_64",
        {
            "model name": ("Intel(R) Core(TM) i5-4590",),
            "flags": ("fpu sse sse2 sse4_1 sse4_2 fma avx f16c avx2",),
        },
        ("Intel(R) Core(TM) i5-4590", ("SSE4.2", "AVX", "AVX2", "FMA", "F16C")),
    ),
    "another": ("riscv64", {"Hardware": ("SiFive",)}, ("SiFive", ())),
}  # fmt: skip


@pytest.mark.parametrize("name", CPUINFO)
def test_the_cpu_from_the_kernel_alone(name: str) -> None:
    machine, cpuinfo, expected = CPUINFO[name]
    assert (cpu_model(cpuinfo), features(machine, cpuinfo, NOTHING)) == expected


def test_on_x86_what_numpy_found_goes_before_what_the_kernel_says() -> None:
    cpuinfo = {"flags": ("avx avx2 avx512f avx512_vnni",)}
    assert features("x86_64", cpuinfo, frozenset({"avx", "avx2"})) == ("AVX", "AVX2")


def test_on_arm_both_are_believed() -> None:
    cpuinfo = {"Features": ("fp asimd asimddp i8mm",)}
    found = features("aarch64", cpuinfo, frozenset({"asimd", "asimdhp"}))
    assert found == (*("NEON", "fp16 (asimdhp)", "dot product (asimddp)", "int8 matrices (i8mm)"),)


def test_this_machine_is_described() -> None:
    here = board.read()
    assert here.machine == platform.machine()
    assert here.bits == 64
    assert here.numpy == np.__version__
    assert here.python.version == platform.python_version()
    assert here.python.venv == (sys.prefix != sys.base_prefix)
    assert here.python.standard
    assert here.glibc is not None
    assert here.glibc.startswith("2.")


def test_an_emulated_cpu_is_the_one_described() -> None:
    """/proc/cpuinfo there is the real machine's."""
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or platform.machine() != "x86_64":
        unavailable("no qemu-x86_64 to emulate a CPU without AVX-512", "apt install qemu-user")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'runtime' / 'src')!r})\n"
        "import numpy, strop.device.board; print(strop.device.board.read().cpu.features)"
    )
    done = run(emulator, "-cpu", "Haswell", sys.executable, "-c", code)
    assert done.stdout.strip() == "('SSE4.2', 'AVX', 'AVX2', 'FMA', 'F16C')"
