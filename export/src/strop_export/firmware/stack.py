"""The deepest stack of a function, read from the instructions of a linked program.

A function's frame is the sum of all that its instructions take from the stack. The deepest of what
it calls comes on top: the result is never less than what a run takes, without interrupts.
"""

from __future__ import annotations

import bisect

from elftools.elf.elffile import ELFFile

from strop_export.firmware.frames import Function, read_arm, read_riscv


def deepest_stack(elf: ELFFile, entry: str) -> int:
    """Return the most bytes of stack that a call of a function takes.

    Args:
        elf: a linked program for Cortex-M or RV32, with symbols.
        entry: the function's name.

    Raises:
        UnboundedStack: no sum of constants covers it: recursion, or a call by a pointer.
    """
    functions = _functions(elf)
    starts = [function.start for function in functions]
    known: dict[int, int] = {}

    def depth(function: Function, callers: tuple[int, ...]) -> int:
        if function.start in callers:
            raise function.refuse("calls itself")
        if function.start not in known:
            path = (*callers, function.start)
            deepest = max((depth(at(goal), path) for goal in function.calls), default=0)
            known[function.start] = function.frame_bytes + deepest
        return known[function.start]

    def at(address: int) -> Function:
        function = functions[max(bisect.bisect(starts, address) - 1, 0)]
        if not function.start <= address < function.end:
            raise function.refuse(f"is the last symbol before a call to {address:#x}")
        return function

    (first,) = (function for function in functions if entry in function.names)
    return depth(first, ())


def _functions(elf: ELFFile) -> list[Function]:
    """Read all functions, by address."""
    text, found = elf.get_section_by_name(".text"), dict[int, Function]()
    marks = dict[int, bool]()  # address -> whether instructions begin there, or data
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        address = symbol["st_value"]
        if symbol["st_info"]["type"] == "STT_FUNC":
            start = address & ~1  # bit 0 says that the code is Thumb
            function = found.setdefault(start, Function(set(), start, start))
            function.names.add(symbol.name)
            function.end = max(function.end, start + symbol["st_size"])
        elif symbol.name[:2] in ("$t", "$x", "$d"):
            marks[address] = symbol.name[:2] != "$d"
    origin, content = text["sh_addr"], text.data()
    read = read_arm if elf["e_machine"] == "EM_ARM" else read_riscv
    functions = [found[start] for start in sorted(found)]
    for function in functions:
        start, end = function.start, function.end
        inside = sorted({start, *(mark for mark in marks if start <= mark < end)})
        for part, after in zip(inside, [*inside[1:], end], strict=True):
            if marks.get(part, True):
                read(function, content[part - origin : after - origin], part)
    return functions
