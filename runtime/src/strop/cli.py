"""The `strop` command, for the device and for signing bundles; `strop --help` lists all it does.

Exit status: 0 done; 1 a check failed; 2 the request cannot be met, with one line on stderr
and, with --json, an object on stdout.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

import strop
from strop.commands.arguments import parser
from strop.commands.quiet import without_notes
from strop.commands.refusal import exit_status
from strop.commands.terminal import prepare_streams, print_note
from strop.errors import StropError, StropWarning

_OPEN_HERE = ("run", "bench", "tune", "sweep")  # commands that open engines in this process
_POSIX_MODULES = ("fcntl", "resource")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: the arguments after the program's name; None: those of this process.
    """
    prepare_streams()
    return exit_status(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    arguments = parser().parse_args(argv)
    _keep_stdout_ours()
    with warnings.catch_warnings():  # -W is for programs: an engine that warns is not an error
        warnings.simplefilter("ignore")  # Pillow's and numpy's
        warnings.simplefilter("always", StropWarning)
        warnings.showwarning = _warn
        with without_notes() if arguments.command in _OPEN_HERE else contextlib.nullcontext():
            return exit_status(lambda: _run(arguments), as_json=arguments.json)


def _run(arguments: argparse.Namespace) -> int:
    status: int = _command_module(arguments.command).main(arguments)
    return status


def _keep_stdout_ours() -> None:
    """Send to stderr what native libraries print on stdout, where our JSON goes.

    LiteRT prints there while it looks for a GPU.
    """
    if sys.stdout is not sys.__stdout__ or sys.stdout is None:  # a program has put its own there
        return
    with contextlib.suppress(OSError):  # one of them is closed
        sys.stdout.flush()  # what a program has printed before
        encoding, ours = sys.stdout.encoding, os.dup(1)
        os.dup2(2, 1)
        sys.stdout = open(ours, "w", -1, encoding, "backslashreplace", closefd=False)  # noqa: SIM115  it stays open


def _command_module(name: str) -> ModuleType:
    """Import the module of a command.

    The doctor's module needs no NumPy, and reports what is wrong with NumPy.
    """
    try:
        return importlib.import_module(f"strop.commands.{name}")
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in _POSIX_MODULES:
            raise StropError(
                f"strop {name} needs Linux or macOS: {sys.platform} has no {error.name}",
                "run it there",
            ) from error
        raise strop._no_numpy(error) from error


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    print_note(f"strop: warning: {message}")
