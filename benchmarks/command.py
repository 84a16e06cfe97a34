"""The exit status of a benchmark, and the line that says why it ended early."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.files import NotMeasurable
from strop.errors import StropError


def status_of(work: Callable[[], int]) -> int:
    """Run the work of a command line, and say in one line why it ends early.

    Args:
        work: returns the exit status; it writes its results last.

    Returns:
        The status of the work; 2 if nothing can be measured; 130 after ^C.
    """
    try:
        return work()
    except KeyboardInterrupt:
        print("benchmarks: stopped, nothing is written", file=sys.stderr)
        return 130
    except (NotMeasurable, StropError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
