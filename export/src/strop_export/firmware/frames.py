"""The stack that a function takes, and the functions that it calls, read from its instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import capstone
from capstone import arm_const as arm
from capstone import riscv_const as riscv

from strop_export.errors import ConversionError

_BRANCHES: Final = {
    *(arm.ARM_INS_B, arm.ARM_INS_BL, arm.ARM_INS_BLX, arm.ARM_INS_BX),
    *(arm.ARM_INS_CBZ, arm.ARM_INS_CBNZ),
}
_CALLS: Final = {arm.ARM_INS_BL, arm.ARM_INS_BLX}
_STORES: Final = {arm.ARM_INS_STR, arm.ARM_INS_STRD}
_SUMS: Final = {arm.ARM_INS_ADD, arm.ARM_INS_SUB, arm.ARM_INS_MOV}
_RISCV_SUMS: Final = {"addi", "addi16sp", "add", "sub", "mv"}


class UnboundedStack(ConversionError):
    """The deepest stack cannot be told: it is no sum of constants."""

    kind = "stack"


@dataclass
class Function:
    """A function of a linked program.

    Attributes:
        names: of its symbols.
        start: its address.
        end: the address after it.
        frame_bytes: the sum of all that its instructions take from the stack.
        calls: the addresses outside it that it goes to.
    """

    names: set[str]
    start: int
    end: int
    frame_bytes: int = 0
    calls: set[int] = field(default_factory=set)

    def refuse(self, what: str) -> UnboundedStack:
        """Return the error: the function does what no sum of constants covers."""
        problem = f"the deepest stack of {min(self.names)} cannot be told: it {what}"
        return UnboundedStack(problem, "report it: neither a kernel nor the compiler should do so")

    def go(self, address: int, *, returns: bool) -> None:
        """Note that it goes to an address; without a return, the address may be one of its own."""
        if returns or not self.start <= address < self.end:
            self.calls.add(address)


def read_arm(function: Function, code: bytes, start: int) -> None:
    """Read Thumb code.

    Args:
        function: takes what is found.
        code: a part of it, without the data between instructions.
        start: the address of the part.

    Raises:
        UnboundedStack: the part takes bytes that it computes, or calls what a register says.
    """
    mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    for each in _instructions(function, capstone.Cs(capstone.CS_ARCH_ARM, mode), code, start):
        operands, kind = each.operands, each.id
        if kind in _BRANCHES:
            if operands[-1].type == arm.ARM_OP_IMM:
                function.go(operands[-1].imm, returns=kind in _CALLS)
            elif not (kind == arm.ARM_INS_BX and operands[0].reg == arm.ARM_REG_LR):
                raise function.refuse("calls what a register says")
        elif kind == arm.ARM_INS_PUSH:
            function.frame_bytes += 4 * len(operands)
        elif kind == arm.ARM_INS_VPUSH:
            function.frame_bytes += (8 if each.op_str.startswith("{d") else 4) * len(operands)
        elif kind in _STORES and each.writeback:
            (place,) = (operand.mem for operand in operands if operand.type == arm.ARM_OP_MEM)
            if place.base == arm.ARM_REG_SP:
                function.frame_bytes -= place.disp
        elif kind in _SUMS and operands[0].reg == arm.ARM_REG_SP:
            if operands[-1].type != arm.ARM_OP_IMM or operands[-2].reg != arm.ARM_REG_SP:
                raise function.refuse("takes a number of bytes that it computes")
            if kind == arm.ARM_INS_SUB:
                function.frame_bytes += operands[-1].imm


def read_riscv(function: Function, code: bytes, start: int) -> None:
    """Read RV32 code, like `read_arm`."""
    mode = capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC
    upper: dict[int, int] = {}  # by register: the address that an `auipc` gave it
    for each in _instructions(function, capstone.Cs(capstone.CS_ARCH_RISCV, mode), code, start):
        operands, name = each.operands, each.mnemonic.removeprefix("c.")
        if name == "auipc":
            upper[operands[0].reg] = each.address + (operands[1].imm << 12)
        elif name in ("jalr", "jr"):
            base = operands[-1] if operands[-1].type == riscv.RISCV_OP_REG else operands[-2]
            offset = operands[-1].imm if operands[-1].type == riscv.RISCV_OP_IMM else 0
            if base.reg in upper:
                function.go(
                    upper.pop(base.reg) + offset, returns=operands[0].reg != riscv.RISCV_REG_ZERO
                )
            elif not (name == "jr" and base.reg == riscv.RISCV_REG_RA):
                raise function.refuse("calls what a register says")
        elif name[0] in "jb":
            function.go(each.address + operands[-1].imm, returns=name == "jal")
        elif name in _RISCV_SUMS and operands[0].reg == riscv.RISCV_REG_SP:
            if operands[-1].type != riscv.RISCV_OP_IMM or operands[-2].reg != riscv.RISCV_REG_SP:
                raise function.refuse("takes a number of bytes that it computes")
            function.frame_bytes += max(-operands[-1].imm, 0)


def _instructions(
    function: Function, disassembler: capstone.Cs, code: bytes, start: int
) -> Iterator[Any]:
    disassembler.detail = True
    end = start
    for instruction in disassembler.disasm(code, start):
        yield instruction
        end = instruction.address + instruction.size
    if end != start + len(code):
        raise function.refuse(f"has an unknown instruction at {end:#x}")
