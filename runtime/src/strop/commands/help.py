"""strop help: print how to use strop, or one of its commands."""

from __future__ import annotations

import argparse

from strop.commands.arguments import parser
from strop.commands.terminal import show


def main(arguments: argparse.Namespace) -> int:
    """Print the help of the command that was asked about, or of strop."""
    root = parser()
    asked = root.commands[arguments.topic] if arguments.topic else root
    show(asked.format_help().rstrip("\n"))
    return 0
