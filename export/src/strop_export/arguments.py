"""The command line's arguments."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import Final

from strop.bundle.manifest import KINDS
from strop.commands.parsing import OneLineParser
from strop_export import targets
from strop_export.paths import TOLERANCES

# As data sheets of microcontrollers have them: their k is 1,024.
_UNITS: Final = {"b": 1, "k": 2**10, "m": 2**20}
_SIZE: Final = re.compile(r"([0-9]{1,12})\s*(?:([km])(?:i?b)?|b)?")


class _Parser(OneLineParser):
    def program(self) -> str:
        return "export"  # as `make export` has it


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    root = _Parser(
        prog="strop-export",
        usage="%(prog)s [export] MODEL --calibration NPZ [--evaluation NPZ] [options]\n"
        "       %(prog)s [export] --artifact DIR [options]\n"
        "       %(prog)s explain BUNDLE [options]\n"
        "       %(prog)s evaluate BUNDLE DATA... [options]",
        description="Turn a trained model into proven bundles.",
        epilog="strop-export explain BUNDLE prints a bundle's report, layer by layer; strop-export "
        "evaluate BUNDLE DATA evaluates it over data of any size.",
    )
    add = root.add_argument
    add(
        "given",
        nargs="?",
        type=Path,
        metavar="MODEL",
        help="the model: a .keras or .h5 file, or the folder of a SavedModel",
    )
    add(
        "--artifact",
        type=Path,
        metavar="DIR",
        help="an artifact directory instead, as `make train` or strop_export.save_artifact "
        "writes it",
    )
    add(
        "--target",
        action="append",
        metavar="NAME|TOML",
        help=f"{', '.join(targets.names())}, all (the default: all but mcu and web), or the path "
        "of a .toml file of your own; may be given several times",
    )
    add("--list-targets", action="store_true", help="list the targets that ship, and stop")
    add("--out", type=Path, default=Path("dist"), metavar="DIR", help="default dist")
    add(
        "--tolerances",
        type=Path,
        default=TOLERANCES,
        metavar="TOML",
        help="what a variant may lose (default tolerances.toml in this package)",
    )
    add(
        "--precision",
        type=lambda text: text.split(","),
        metavar="P,P",
        help="only variants of these precisions, such as float32,int8",
    )
    add(
        "--max-drop",
        type=_drop,
        metavar="D",
        help="what a quantized file may lose, instead of the tolerances: points of accuracy, or of "
        "agreement with Keras without labels; for a regression, percent of each column's spread",
    )
    add(
        "--metric",
        type=_metric,
        metavar="FILE.py:FUNCTION=LOSS",
        help="a function of the outputs and the labels that returns a number, higher for better, "
        "and how much a file may lose of it; it replaces the tolerances of quantized files",
    )
    add(
        "--strict",
        action="store_true",
        help="refuse a target whole if one of its variants fails, instead of leaving that one out; "
        "or if no quantized file holds in the place of an int8 one",
    )
    mcu = root.add_argument_group("firmware, of the target mcu")
    for memory in ("flash", "RAM"):
        mcu.add_argument(
            f"--max-{memory.lower()}",
            dest=f"max_{memory.lower()}_bytes",
            type=_size,
            metavar="BYTES",
            help=f"refuse a model that needs more {memory} on a CPU: 65536, 64k or 64KiB",
        )
    mcu.add_argument(
        "--golden",
        type=int,
        metavar="N",
        help="compile N golden samples in, so that the board can check itself (default 0)",
    )
    own = root.add_argument_group("a model of your own, instead of an artifact")
    add = own.add_argument
    add("--model", type=Path, metavar="MODEL", help="the same as MODEL alone")
    add(
        "--calibration",
        type=Path,
        metavar="NPZ",
        help="array `inputs`, or one by each input's name: training samples",
    )
    add(
        "--evaluation",
        type=Path,
        metavar="NPZ",
        help="the same, and better `labels` or `labels.OUTPUT` too: what variants are judged on "
        "(default: half of the calibration samples)",
    )
    add("--labels", type=Path, metavar="TXT", help="one class label a line")
    add("--name", help="the bundle's name (default: the model file's)")
    add("--model-version", type=int, default=1, metavar="N", help="default 1")
    add(
        "--task",
        action="append",
        default=[],
        type=_task,
        metavar="[OUTPUT=]KIND",
        help=f"judge an output as {', '.join(KINDS)}, whatever it looks like",
    )
    add(
        "--shape",
        action="append",
        default=[],
        type=_shape,
        metavar="[INPUT=]28,28,1",
        help="the shape of one sample, where the model leaves it free",
    )
    add(
        "--trust",
        action="store_true",
        help="run the Python code that the model file (Lambda layers) or --custom brings",
    )
    add("--custom", type=Path, metavar="PY", help="the file with the model's own classes")
    return root


def _drop(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip().lower())
    if not found:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size; write a number of bytes, such as 65536, 64k or 64KiB"
        )
    return int(found[1]) * _UNITS[found[2] or "b"]


def _metric(text: str) -> tuple[Path, str, float]:
    rest, _, loss = text.rpartition("=")
    path, _, function = rest.rpartition(":")
    try:
        most = float(loss)
    except ValueError:
        most = -1.0
    if not path or not function.isidentifier() or not 0 <= most < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not FILE.py:FUNCTION=LOSS, with a loss of 0 or more; write one such as "
            "my_map.py:mean_average_precision=0.01"
        )
    return Path(path), function, most


def _task(text: str) -> tuple[str, str]:
    name, _, kind = text.rpartition("=")
    if kind not in KINDS:
        raise argparse.ArgumentTypeError(f"there is no kind {kind!r}; choose {', '.join(KINDS)}")
    return name, kind


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    try:
        shape = tuple(int(size) for size in sizes.split(",") if size)
    except ValueError:
        shape = (0,)
    if not all(size > 0 for size in shape):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape; write one such as 28,28,1")
    return name, shape
