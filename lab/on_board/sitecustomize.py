"""Start-up code of every Python on an emulated board, which hides two gaps in the emulation."""

import builtins
import os
import sys
from typing import Any

# QEMU does not look under the board's root for the path of this system call. shutil copies with it
# (for ensurepip, from Python 3.13), and works without it if it is absent.
del os.listxattr

if os.uname().machine.startswith("armv"):
    # A script starts the interpreter. pip reads the interpreter's header to find out whether it is
    # a 32-bit Arm with hard floats, so it must read the program itself.
    _python = f"{sys.base_prefix}/root/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    _open = builtins.open

    def _open_program(file: Any, *arguments: Any, **options: Any) -> Any:
        return _open(_python if file == sys.executable else file, *arguments, **options)

    builtins.open = _open_program
