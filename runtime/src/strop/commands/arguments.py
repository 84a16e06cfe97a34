"""The command line's arguments: what each command takes, and what it means."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from strop import engines
from strop.bundle import manifest
from strop.commands.terminal import show
from strop.errors import one_line
from strop.versions import __version__

SHELLS = ("bash", "fish", "zsh")

# The values that an argument is known to take, by its name; shells complete them.
VALUES: dict[str, tuple[str, ...]] = {
    "engine": engines.NAMES,
    "precision": manifest.PRECISIONS,
    "device": engines.ASKABLE,
    "shell": SHELLS,
}
_LONGEST = 40  # characters of a command that is unknown


class Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line, and suggests a command for one that is unknown."""

    commands: Mapping[str, argparse.ArgumentParser] = {}  # by name; those of a command are none

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        known = list(action.choices or ())
        if not known or value in known:
            return
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise argparse.ArgumentError(
            None, f"there is no {str(action.metavar).lower()} {value[:_LONGEST]!r} ({hint})"
        )

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help and version, or fail as a result that cannot be written does."""
        if file is sys.stdout:
            show(message.rstrip("\n"))
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Exit with the message in one line."""
        self.exit(2, f"strop: {one_line(message)}; see {self.prog} --help\n")


def parser() -> Parser:
    """Build the parser of all commands; no command means `help`."""
    root = Parser(prog="strop", description="Run a proven model here, and prove it again.")
    root.add_argument("-V", "--version", action="version", version=f"strop {__version__}")
    subparsers = root.add_subparsers(dest="command", metavar="COMMAND")
    root.set_defaults(command="help", topic=None, json=False)
    root.commands = subparsers.choices

    info = _command(subparsers, "info", "what the bundle holds, and what was proven")
    run = _command(subparsers, "run", "predict: pictures, .npy or .npz files in, labels out")
    run.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="a picture, an .npy of samples, or an .npz with an array for each input by name",
    )
    run.add_argument(
        "--output",
        metavar="NPY",
        help="write the outputs instead: to an .npy, or to an .npz with each output by name",
    )
    run.add_argument(
        "--explain", metavar="PNG", help="save what the model sees of the picture, enlarged"
    )
    checking = _command(subparsers, "check", "replay the golden samples on this device")
    bench = _command(subparsers, "bench", "time predict on this device")
    bench.add_argument("--samples", type=_positive, default=2000, help="calls (default 2000)")
    tune = _command(subparsers, "tune", "time all that passes here, and remember the fastest")
    tune.add_argument(
        "--threads", type=_counts, metavar="1,2,4", help="default 1, 2, 4 .. up to the usable CPUs"
    )
    sweep = _command(subparsers, "sweep", "time the GPU against the CPU by batch size")
    sweep.add_argument(
        "--batches", type=_counts, metavar="1,4,16", help="samples a call, default 1 to 65536"
    )
    verify = _command(subparsers, "verify", "check a bundle against the trusted keys")
    sign = _command(subparsers, "sign", "sign a bundle")
    sign.add_argument(
        "--key", required=True, metavar="KEY", help="the private key, of strop keygen"
    )
    sign.add_argument("--output", metavar="PATH", help="write there, instead of over BUNDLE")
    sign.add_argument("--replace", action="store_true", help="put aside another key's signature")
    keygen = _command(subparsers, "keygen", "make a pair of keys to sign with", bundle=False)
    keygen.add_argument("key", metavar="KEY", help="the private key's file; KEY.pub has the public")
    keygen.add_argument(
        "--comment", metavar="TEXT", help="what people call it (default KEY's name)"
    )
    install = _command(subparsers, "install", "verify, prove here, and make current at once")
    install.add_argument(
        "--into", required=True, metavar="DIR", help="the folder to keep it in, made if missing"
    )
    install.add_argument(
        "--allow-downgrade", action="store_true", help="take an older model_version, too"
    )
    install.add_argument(
        "--keep", type=_positive, default=3, metavar="N", help="bundles to keep (default 3)"
    )
    rollback = _command(subparsers, "rollback", "go back to the bundle before", bundle=False)
    history = _command(subparsers, "history", "what was installed, and when", bundle=False)
    for command in (rollback, history):
        command.add_argument("folder", metavar="DIR", help="the folder that strop install keeps")
    for command in (install, rollback):
        command.add_argument(
            "--wait",
            type=_positive,
            default=60,
            metavar="SECONDS",
            help="for another who installs there (default 60)",
        )
    doctor = _command(
        subparsers, "doctor", "which engines work here, and how to get the rest", bundle=False
    )
    doctor.add_argument(
        "--timeout", type=_positive, default=60, metavar="SECONDS", help="an engine (default 60)"
    )

    completion = _command(subparsers, "completion", "print a shell's completion", bundle=False)
    completion.add_argument("shell", choices=SHELLS, help="the shell", metavar="SHELL")
    asked = _command(subparsers, "help", "how to use strop, or one command", bundle=False)
    asked.add_argument(
        "topic", nargs="?", choices=root.commands, metavar="COMMAND", help="the command"
    )
    for command in (completion, asked):
        command.set_defaults(json=False)

    for command in (run, checking, bench, sweep):
        command.add_argument("--engine", help=f"insist on one: {', '.join(engines.NAMES)}")
        command.add_argument("--precision", help=f"insist on one: {', '.join(manifest.PRECISIONS)}")
    for command in (run, checking, bench, tune):
        command.add_argument("--device", help=f"insist on one: {', '.join(engines.ASKABLE)}")
    for command in (run, bench):
        command.add_argument("--threads", type=_positive, help="default: as tuned, else 1")
    for command in (checking, install, rollback):
        command.add_argument(
            "--timeout",
            type=_positive,
            default=120,
            metavar="SECONDS",
            help="an engine on a file (default 120)",
        )
    for command in (bench, tune):
        command.add_argument(
            "--batch", type=_positive, default=1, help="samples a call (default 1)"
        )
    opening = (info, run, checking, bench, tune, sweep, verify, install, rollback)
    for command in opening:
        command.add_argument(
            "--trusted-keys", metavar="FILE", help="refuse what none of these keys has signed"
        )
    for command in (*opening, sign, keygen, history, doctor):
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
    return root


def _command(
    subparsers: Any, name: str, text: str, *, bundle: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text)
    if bundle:
        parser.add_argument(
            "bundle", metavar="BUNDLE", help="a .strop file, or a folder of strop install"
        )
    return parser


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 10 else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return value


def _counts(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]
