"""`strop-export`: turn a trained model into proven bundles.

`strop-export explain` prints a bundle's report again; `strop-export evaluate` evaluates a bundle
over data of any size.

Exit status:

- 0: every target has its bundle. With `--target all`, a target whose engine cannot be had on this
  workstation does not count; it is named.
- 1: a target was refused, by its proof or because an engine is too old for a file.
- 2: the request cannot be met; one line says why.
- 130: stopped by ^C.
- 141: nobody reads the output.
"""

from __future__ import annotations

import sys

from strop.commands.refusal import exit_status
from strop.commands.terminal import prepare_streams


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    given = sys.argv[1:] if argv is None else argv
    prepare_streams()
    return exit_status(lambda: _run(given), program="strop-export")


def _run(given: list[str]) -> int:
    # Imported when asked for: export's libraries take a second, and evaluate's are extras.
    if given[:1] == ["explain"]:
        from strop_export import explain

        return explain.main(given[1:])
    if given[:1] == ["evaluate"]:
        from strop_export.evaluation import command as evaluate

        return evaluate.main(given[1:])
    from strop_export import command

    return command.main(given[1:] if given[:1] == ["export"] else given)


if __name__ == "__main__":
    sys.exit(main())
