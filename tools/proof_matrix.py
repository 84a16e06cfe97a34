"""Take the proofs in dist/ into the matrix of the docs, and draw it.

`python -m tools.proof_matrix` writes docs/pictures/proof.json and proof.png. A device without
results in dist/ keeps its figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import drawing
from tools import proof_figures, proof_picture
from tools.proof_figures import DIST, FIGURES


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status: 0, or 2 if a result cannot be read or is not proven.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.proof_matrix", description=__doc__)
    parser.add_argument("dist", type=Path, nargs="?", default=DIST, metavar="DIST")
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="PROOF.json")
    arguments = parser.parse_args(argv)
    try:
        matrix = proof_figures.load(arguments.figures)
        found = proof_figures.gather(matrix, arguments.dist)
        changes = matrix.differences(found)
        matrix = matrix.taking(found)
        matrix.write(arguments.figures)
        drawing.save(proof_picture.draw(matrix), arguments.figures.with_suffix(".png"))
    except (KeyError, TypeError) as error:
        print(f"proof_matrix: a file has not the form of results: {error!r}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"proof_matrix: {error}", file=sys.stderr)
        return 2
    print("\n".join(changes) or "no figure has changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
