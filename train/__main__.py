"""``python -m train``: see :mod:`train`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from train import cookbook, mnist, seeds
from train.errors import TrainError, UsageError
from train.paths import ARTIFACTS, MNIST_CACHE, printable, shown
from train.recipe import Recipe
from train.run import Job, run

_EXAMPLES = """\
examples:
  python -m train                          the default recipe into artifacts/mnist-mlp
  python -m train --resume                 the same, continuing an interrupted training
  python -m train --recipe mine.toml --out artifacts/mine
  python -m train --recipe edge --seeds 1,2,3
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: its words; None: those of this process.

    Returns:
        The exit status: 0, 2 for an error that the user can fix, 130 on ^C.
    """
    started = time.perf_counter()
    try:
        return _main(_parser().parse_args(arguments), started)
    except TrainError as error:
        print(f"train: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train: stopped; continue with --resume", file=sys.stderr)
        return 130


def _main(asked: argparse.Namespace, started: float) -> int:
    if asked.fetch_only:
        mnist.load()
        print(f"MNIST is in {shown(MNIST_CACHE)}, byte for byte the original")
        return 0
    chosen = cookbook.load(asked.recipe)
    if asked.epochs is not None:
        chosen = chosen.with_epochs(_count(asked.epochs, "--epochs"))
    version = 1 if asked.model_version is None else _count(asked.model_version, "--model-version")
    if asked.seeds is not None:
        return _train_seeds(asked, chosen)

    seed = seeds.parse_seed("1" if asked.seed is None else asked.seed)
    out = asked.out or ARTIFACTS / chosen.artifact
    if ".." in out.parts:
        out = Path(os.path.realpath(out))  # names of files beside it begin with its name
    job = Job(
        recipe=chosen,
        seed=seed,
        out=out.absolute(),
        model_version=version,
        resume=asked.resume,
        restart=asked.restart,
        tensorboard=asked.tensorboard,
    )
    run(job, Console(soft_wrap=True, highlight=False, markup=False, emoji=False), started)
    return 0


def _train_seeds(asked: argparse.Namespace, chosen: Recipe) -> int:
    if asked.seed is not None:
        raise UsageError("--seed and --seeds exclude each other: give one of them")
    name = asked.recipe
    options = ["--recipe", str(Path(name).absolute()) if name.endswith(".toml") else name]
    for flag, value in (
        ("--epochs", asked.epochs),
        ("--model-version", asked.model_version),
        ("--tensorboard", asked.tensorboard and asked.tensorboard.absolute()),
    ):
        options += [flag, str(value)] if value is not None else []
    options += ["--resume"] if asked.resume else []
    options += ["--restart"] if asked.restart else []
    report = seeds.train_all(
        chosen, seeds.parse_seeds(asked.seeds), (asked.out or ARTIFACTS).absolute(), options
    )
    print(f"wrote {shown(report)}")
    return 0


def _count(text: str, flag: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= 100_000:
        return int(text)
    raise UsageError(f"{flag} {text!r} is not a whole number from 1 to 100000")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are safe to print."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m train",
        description="Train on real MNIST and write an artifact directory for export.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    known = ", ".join(cookbook.names())
    add("--recipe", default="edge", metavar="R", help=f"{known}, or a .toml file (default: edge)")
    add("--seed", metavar="N", help="the seed of everything random (default: 1)")
    add("--seeds", metavar="N,N,..", help="train each, and report in seeds.json under --out")
    add(
        *("--out", "-o"),
        type=Path,
        metavar="DIR",
        help="the artifact directory (default: artifacts/<the recipe's artifact name>)",
    )
    add("--epochs", metavar="N", help="instead of the recipe's, for a quick look")
    add("--model-version", metavar="N", help="written into training.json (default: 1)")
    add("--fetch-only", action="store_true", help="fetch MNIST, check it, and train nothing")
    left = parser.add_mutually_exclusive_group()
    left.add_argument("--resume", action="store_true", help="continue an unfinished training")
    left.add_argument("--restart", action="store_true", help="drop an unfinished training")
    add("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard logs there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
