"""The CPU that a timing is valid for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strop.device.cpu import Cpu, this_cpu


def _root(folder: Path, board: str, cpuinfo: str) -> Path:
    """A root directory with this kernel output."""
    for name, text in {"device-tree/model": board, "cpuinfo": cpuinfo}.items():
        path = folder / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_this_one_has_cores_and_is_the_same_twice() -> None:
    here = this_cpu()
    assert here == this_cpu()
    assert here.machine == os.uname().machine
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    assert here.model.isprintable()


@pytest.mark.parametrize(
    ("board", "cpuinfo", "model"),
    [
        ("Raspberry Pi 4 Model B Rev 1.1\0", "", "Raspberry Pi 4 Model B Rev 1.1"),
        ("a Pi Zero, emulated by QEMU\0", "model name: EPYC", "a Pi Zero, emulated by QEMU"),
        ("", "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: fpu\n", "AMD EPYC"),
        ("", "CPU implementer : 0x41\nCPU part : 0xd08\n", "Cortex-A72"),
        ("", "CPU implementer : 0x41\nCPU part : 0xfff\n", ""),
        ("", "", ""),
        ("a\x1b[31mb", "", "a [31mb"),
    ],
)
def test_the_board_names_it_or_the_processor(
    tmp_path: Path, board: str, cpuinfo: str, model: str
) -> None:
    assert this_cpu(_root(tmp_path, board, cpuinfo)).model == model


def test_one_that_says_nothing_has_cores_all_the_same(tmp_path: Path) -> None:
    here = this_cpu(tmp_path)
    assert here == Cpu(os.uname().machine, "", here.cores)


def test_the_beginning_of_a_long_cpuinfo_is_enough(tmp_path: Path) -> None:
    one = "processor : 0\nmodel name : AMD EPYC\n\n"
    assert this_cpu(_root(tmp_path, "", one * 10_000)).model == "AMD EPYC"
