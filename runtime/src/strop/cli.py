"""The `strop` command, for the device and for signing bundles; `strop --help` lists all it does.

Exit status: 0 done; 1 a check failed; 2 the request cannot be met, with one line on stderr
and, with --json, an object on stdout.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

import strop
from strop.commands.arguments import parser
from strop.commands.quiet import without_notes
from strop.commands.refusal import complain, refuse
from strop.errors import StropError, StropWarning, one_line

# What a shell says of a command that died of SIGPIPE. Not 0: a check nobody read has not passed.
BROKEN_PIPE = 141
_POSIX_MODULES = ("fcntl", "resource")
INTERRUPTED = 130  # and of one stopped with ^C


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: the arguments after the program's name; None: those of this process.
    """
    _open_what_is_closed()
    arguments = parser().parse_args(argv)
    _keep_stdout_ours()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a label may be in no alphabet of the terminal's
        sys.stdout.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # Pillow's and numpy's
        warnings.simplefilter("always", StropWarning)
        warnings.showwarning = _warn
    try:
        with without_notes():
            status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone (`strop info x | head`)
        _forget_output()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print("strop: stopped", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        _forget_output()
        return complain(StropError(f"cannot write the output: {error.strerror or error}"))
    return status


def _open_what_is_closed() -> None:
    """Write to nowhere where a stream was closed (`strop check x >&-`): the status tells.

    Python has None in its place then, and prints to stdout what is meant for a stderr of None.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123  kept open


def _run(arguments: argparse.Namespace) -> int:
    """Run the command; what refuses it is told, and gives the exit status."""
    try:
        status: int = _command_module(arguments.command).main(arguments)
    except StropError as error:
        return refuse(error, as_json=arguments.json)
    except MemoryError as error:
        return refuse(StropError(str(error) or "out of memory"), as_json=arguments.json)
    return status


def _keep_stdout_ours() -> None:
    """Send to stderr what native libraries print on stdout, where our JSON goes.

    LiteRT prints there while it looks for a GPU.
    """
    if sys.stdout is not sys.__stdout__ or sys.stdout is None:  # somebody has an eye on it
        return
    with contextlib.suppress(OSError):  # one of them is closed
        sys.stdout.flush()  # what an app of ours has said before
        encoding, ours = sys.stdout.encoding, os.dup(1)
        os.dup2(2, 1)
        sys.stdout = open(ours, "w", encoding=encoding)  # noqa: SIM115, PTH123


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
    print(f"strop: warning: {one_line(str(message))}", file=sys.stderr)


def _forget_output() -> None:
    """Keep Python from writing again, at its exit, the output that could not be written."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
