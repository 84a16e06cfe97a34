"""A parser of command lines that prints as the commands do."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from strop.commands.terminal import show
from strop.errors import one_line


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports errors in one line, which begins with the program's name."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help and version, or fail as a result that cannot be written does."""
        if file is sys.stdout:
            show(message.rstrip("\n"))
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Exit with the message in one line."""
        self.exit(2, f"{self.program()}: {one_line(message)}; see {self.prog} --help\n")

    def program(self) -> str:
        """Return the name that begins the line."""
        return self.prog.split()[0]
