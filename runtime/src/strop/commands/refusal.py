"""Refusals: one line that says why a command cannot do what was asked; with --json an object too.

This module does without numpy, because numpy may be absent.
"""

from __future__ import annotations

from strop.commands.terminal import print_json, print_note
from strop.errors import ParityError, StropError

FAILED, REFUSED = 1, 2  # exit statuses: a check failed; the request cannot be met


def complain(error: StropError) -> int:
    """Print an error as one line on stderr; return the exit status."""
    print_note(f"strop: {error}")
    return FAILED if isinstance(error, ParityError) else REFUSED


def content(error: StropError) -> dict[str, str]:
    """Return what --json prints of an error: `kind`, `problem` and `mend`."""
    return {"kind": error.kind, "problem": error.problem, "mend": error.mend}


def refuse(error: StropError, *, as_json: bool) -> int:
    """Print an error for people and, with --json, for programs; return the exit status.

    Args:
        error: the reason of the refusal.
        as_json: whether --json was given.
    """
    if as_json:
        print_json({"error": content(error)})
    return complain(error)
