"""Starts with every Python of an emulated board, and hides two seams of the emulation."""

import builtins
import os
import sys
from typing import Any

# QEMU does not look under the board's root for the path of this system call. shutil, which copies
# with it (ensurepip does, from Python 3.13 on), does without where it is absent.
del os.listxattr

if os.uname().machine.startswith("armv"):
    # The interpreter is started by a script, and pip reads the interpreter's header to learn
    # whether it is a 32-bit Arm of hard floats: what it reads must be the program itself.
    _python = f"{sys.base_prefix}/root/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    _open = builtins.open

    def _open_program(file: Any, *arguments: Any, **options: Any) -> Any:
        return _open(_python if file == sys.executable else file, *arguments, **options)

    builtins.open = _open_program
