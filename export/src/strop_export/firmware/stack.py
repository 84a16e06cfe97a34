"""The deepest stack of a function, read from the instructions of a linked program.

A function's frame is the sum of all that its instructions take from the stack, and on top of it comes
the deepest of what it calls: the result is never less than what a run takes. Interrupts are extra.
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
            called = [functions[bisect.bisect(starts, goal) - 1] for goal in function.calls]
            deepest = max((depth(callee, path) for callee in called), default=0)
            known[function.start] = function.frame_bytes + deepest
        return known[function.start]

    (first,) = (function for function in functions if entry in function.names)
    return depth(first, ())


def _functions(elf: ELFFile) -> list[Function]:
    """Read all functions, by address. Each ends where the next one begins: some have no size."""
    text, names = elf.get_section_by_name(".text"), dict[int, set[str]]()
    marks = dict[int, bool]()  # address -> whether instructions begin there, or data
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC":
            # Bit 0 of an address says that the code is Thumb.
            names.setdefault(symbol["st_value"] & ~1, set()).add(symbol.name)
        elif symbol.name[:2] in ("$t", "$x", "$d"):
            marks[symbol["st_value"]] = symbol.name[:2] != "$d"
    origin, content = text["sh_addr"], text.data()
    end = origin + len(content)
    starts = sorted(names)
    read = read_arm if elf["e_machine"] == "EM_ARM" else read_riscv
    made = []
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        function = Function(names[start], start, stop)
        inside = sorted({start, *(mark for mark in marks if start <= mark < stop)})
        for part, after in zip(inside, [*inside[1:], stop], strict=True):
            if marks.get(part, True):
                read(function, content[part - origin : after - origin], part)
        made.append(function)
    return made
