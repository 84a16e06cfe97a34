"""strop help: print how to use strop, or one of its commands."""

from __future__ import annotations

import argparse

from strop.commands.arguments import parser


def main(arguments: argparse.Namespace) -> int:
    """Print the help of the command that was asked about, or of strop."""
    root = parser()
    asked = root.commands[arguments.topic] if arguments.topic else root
    print(asked.format_help(), end="")
    return 0
