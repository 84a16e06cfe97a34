"""`python -m tests.models.zoo [FAMILY [NAME ...]]`: build models and print what Keras achieves."""

from __future__ import annotations

import sys
import time

from tests.models import zoo

FAMILIES = ("tabular", "vision", "sequence", "several", "tiny")


def main(families: tuple[str, ...], wanted: set[str]) -> None:
    """Print a line for each model: seconds, Keras's figure, its lower bound, parameters."""
    for family in families:
        for name in zoo.names(family):
            if wanted and name not in wanted:
                continue
            began = time.monotonic()
            specimen = zoo.build(family, name)
            took = time.monotonic() - began
            figure = specimen.figure()
            verdict = "" if figure > specimen.learnt else "  LEARNT TOO LITTLE"
            sys.stdout.write(
                f"{family:9} {name:24} {took:5.1f} s  {figure:.3f} > {specimen.learnt:<5} "
                f"{specimen.model.count_params():8,} parameters{verdict}\n"
            )


if __name__ == "__main__":
    main(tuple(sys.argv[1:2]) or FAMILIES, set(sys.argv[2:]))
