"""Boards as `strop.device.board.read` would describe them."""

from __future__ import annotations

from typing import Any

from strop.device.board import Board, Processor, Python


def board(machine: str, python: str, *, bits: int = 64, **changes: Any) -> Board:
    """A Debian 12 on a machine, with python3-numpy and an externally managed Python."""
    about_python = {
        name: changes.pop(name)
        for name in ("standard", "venv", "managed", "makes_venvs")
        if name in changes
    }
    facts: dict[str, Any] = {
        "board": "a board",
        "os": "Debian GNU/Linux 12 (bookworm)",
        "debian": True,
        "kernel": machine,
        "glibc": "2.36",
        "numpy": "1.24.2",
        "cpu": Processor("a CPU", 4, ()),
        **changes,
    }
    its_python = Python(python, **{"managed": True, **about_python})
    return Board(machine=machine, bits=bits, python=its_python, **facts)


PI_ZERO = board("armv6l", "3.11.2", bits=32)
PI_2 = board("armv7l", "3.11.2", bits=32)
PI_4_32_BIT = board("armv7l", "3.11.2", bits=32, kernel="aarch64")
PI_4 = board("aarch64", "3.11.2")
PI_5 = board("aarch64", "3.13.5", glibc="2.41", numpy="2.2.4")  # Debian 13
PC = board("x86_64", "3.12.3", managed=False, glibc="2.39", numpy=None)
