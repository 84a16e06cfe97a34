"""What a command says where it cannot do what was asked: one line, or with --json an object.

It does without numpy, whose absence is one of the things to say.
"""

from __future__ import annotations

import json
import sys

from strop.errors import ParityError, StropError, one_line

FAILED, REFUSED = 1, 2  # exit statuses: a check failed; the request cannot be met


def complain(error: StropError) -> int:
    """Say in one line on stderr what is the matter; return the exit status."""
    print(f"strop: {one_line(str(error))}", file=sys.stderr)
    return FAILED if isinstance(error, ParityError) else REFUSED


def content(error: StropError) -> dict[str, str]:
    """Give an error as what --json prints of it: `kind`, `problem` and `mend`."""
    return {"kind": error.kind, "problem": error.problem, "mend": error.mend}


def refuse(error: StropError, *, as_json: bool) -> int:
    """Say what is the matter, to people and, with --json, to programs; return the exit status.

    Args:
        error: what is the matter.
        as_json: whether --json was given.
    """
    if as_json:
        print(json.dumps({"error": content(error)}, indent=2), flush=True)
    return complain(error)
