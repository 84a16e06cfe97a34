"""How a command ends: its exit status, and one line on stderr if it cannot do what was asked.

This module does without numpy, because numpy may be absent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from strop.commands.terminal import OutputError, forget, print_json, print_note
from strop.errors import ParityError, StropError

FAILED, REFUSED = 1, 2  # exit statuses: a check failed; the request cannot be met
INTERRUPTED = 130  # the status that a shell gives a command stopped with ^C
BROKEN_PIPE = 141  # and one that died of SIGPIPE. Not 0: nobody has read the result.


def exit_status(
    run: Callable[[], int],
    *,
    program: str = "strop",
    as_json: bool = False,
    after_stop: str = "",
) -> int:
    """Run a command; whatever stops it becomes an exit status.

    A line on stderr says why, unless it is the reader of the output that has gone.

    Args:
        run: the command; it returns its exit status.
        program: begins the line.
        as_json: whether --json was given: a refusal is an object on stdout, too.
        after_stop: what the line after ^C says besides.

    Returns:
        What `run` returns; 1 or 2 for an error of Strop, 2 if memory, the output or the system
        fails, 130 after ^C, and 141 if the reader of the output has gone (`strop info x | head`).
    """
    try:
        try:
            return run()
        except BrokenPipeError:  # an OSError, but no refusal of the system
            raise
        except StropError as error:
            return refuse(error, program=program, as_json=as_json)
        except MemoryError as error:
            lack = StropError(str(error) or "out of memory")
            return refuse(lack, program=program, as_json=as_json)
        except OSError as error:
            said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            refusal = StropError(f"the system refused: {said}")
            return refuse(refusal, program=program, as_json=as_json)
    except BrokenPipeError:
        forget(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print_note(f"{program}: stopped{after_stop}")
        return INTERRUPTED
    except OutputError as error:
        forget(sys.stdout)
        return complain(StropError(f"cannot write the output: {error}"), program)


def complain(error: StropError, program: str = "strop") -> int:
    """Print an error as one line on stderr; return the exit status."""
    print_note(f"{program}: {error}")
    return FAILED if isinstance(error, ParityError) else REFUSED


def content(error: StropError) -> dict[str, str]:
    """Return what --json prints of an error: `kind`, `problem` and `mend`."""
    return {"kind": error.kind, "problem": error.problem, "mend": error.mend}


def refuse(error: StropError, *, program: str, as_json: bool) -> int:
    """Print an error for people and, with --json, for programs; return the exit status."""
    if as_json:
        print_json({"error": content(error)})
    return complain(error, program)
