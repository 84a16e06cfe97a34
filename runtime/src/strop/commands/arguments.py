"""The commands and options of the command line, with their help."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping
from typing import Any

from strop import engines
from strop.bundle import manifest
from strop.commands.parsing import OneLineParser
from strop.serve.limits import Limits
from strop.versions import __version__

SHELLS = ("bash", "fish", "zsh")
KEYS = ("root", "targets", "online")  # that sign channels

# The values that an argument takes, by its name; shells complete them.
VALUES: dict[str, tuple[str, ...]] = {
    "engine": engines.NAMES,
    "precision": manifest.PRECISIONS,
    "device": engines.ASKABLE,
    "shell": SHELLS,
    "replace_key": KEYS,
}
_LONGEST = 40  # characters of an unknown command that a message quotes


class Parser(OneLineParser):
    """A parser that suggests a command for one that is unknown."""

    commands: Mapping[str, argparse.ArgumentParser] = {}  # by name; only the root parser has any

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        known = list(action.choices or ())
        if not known or value in known:
            return
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise argparse.ArgumentError(
            None, f"there is no {str(action.metavar).lower()} {value[:_LONGEST]!r} ({hint})"
        )


def parser() -> Parser:
    """Build the parser of all commands; no command means `help`."""
    root = Parser(prog="strop", description="Check and run a proven model on this device.")
    root.add_argument("-V", "--version", action="version", version=f"strop {__version__}")
    subparsers = root.add_subparsers(dest="command", metavar="COMMAND")
    root.set_defaults(command="help", topic=None, json=False)
    root.commands = subparsers.choices

    info = _command(subparsers, "info", "show a bundle's variants and how they were proven")
    run = _command(subparsers, "run", "predict the labels of pictures, .npy or .npz files")
    run.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="a picture, an .npy of samples, or an .npz with an array for each input by name",
    )
    run.add_argument(
        "--output",
        metavar="NPY",
        help="write the outputs to this .npy, or .npz with each output by name; print no labels",
    )
    run.add_argument(
        "--explain", metavar="PNG", help="save an enlarged copy of what the model sees"
    )
    checking = _command(subparsers, "check", "compare each engine here with the proven outputs")
    checking.add_argument(
        "--serial", metavar="PORT", help="ask the microcontroller at this port, as /dev/ttyACM0"
    )
    checking.add_argument("--baud", type=_positive, help="of the serial port (default 115200)")
    bench = _command(subparsers, "bench", "measure how long predict takes on this device")
    bench.add_argument(
        "--samples", type=_positive, default=2000, help="calls to time (default 2000)"
    )
    tune = _command(subparsers, "tune", "find the fastest engine and precision, and remember it")
    tune.add_argument(
        "--threads",
        type=_counts,
        metavar="1,2,4",
        help="numbers of threads to try (default 1, 2, 4 .. up to the usable CPUs)",
    )
    sweep = _command(subparsers, "sweep", "compare the speed of GPU and CPU by batch size")
    sweep.add_argument(
        "--batches",
        type=_counts,
        metavar="1,4,16",
        help="samples per call to try (default 1 to 65536)",
    )
    verify = _command(subparsers, "verify", "check a bundle against the trusted keys")
    sign = _command(subparsers, "sign", "sign a bundle")
    sign.add_argument(
        "--key", required=True, metavar="KEY", help="the private key that strop keygen made"
    )
    sign.add_argument(
        "--output", metavar="PATH", help="write a signed copy, and leave BUNDLE as it is"
    )
    sign.add_argument("--replace", action="store_true", help="replace another key's signature")
    keygen = _command(subparsers, "keygen", "make a pair of keys to sign with", bundle=False)
    keygen.add_argument(
        "key", metavar="KEY", help="the file for the private key; the public key is put in KEY.pub"
    )
    keygen.add_argument(
        "--comment", metavar="TEXT", help="the key's name for people (default KEY's name)"
    )
    install = _command(
        subparsers, "install", "check a bundle here, then make it current in a folder"
    )
    install.add_argument(
        "--into", required=True, metavar="DIR", help="the folder to install into; made if missing"
    )
    install.add_argument(
        "--allow-downgrade", action="store_true", help="install an older model_version, too"
    )
    install.add_argument(
        "--keep", type=_positive, default=3, metavar="N", help="bundles to keep (default 3)"
    )
    rollback = _command(subparsers, "rollback", "make the previous bundle current", bundle=False)
    history = _command(subparsers, "history", "list what was installed, and when", bundle=False)
    for command in (rollback, history):
        command.add_argument("folder", metavar="DIR", help="a folder made by strop install")
    for command in (install, rollback):
        command.add_argument(
            "--wait",
            type=_positive,
            default=60,
            metavar="SECONDS",
            help="how long to wait for another install in that folder (default 60)",
        )
    serve = _command(subparsers, "serve", "answer requests over HTTP", bundle=False)
    serve.add_argument(
        "bundles",
        nargs="+",
        metavar="BUNDLE",
        help="a .strop file, or a folder made by strop install, which is followed",
    )
    serve.add_argument("--host", default="127.0.0.1", help="the address (default 127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8000, help="0: any (default 8000)")
    serve.add_argument(
        "--token-file", metavar="FILE", help="answer only clients that send the token in this file"
    )
    serve.add_argument(
        "--repository-api", action="store_true", help="let clients load and unload the models"
    )
    serve.add_argument(
        "--count-every",
        type=_positive,
        metavar="N",
        help="count the figures of one call in N, for strop drift",
    )
    serve.add_argument(
        "--counts", metavar="DIR", help="save what is counted there, each minute and at the end"
    )
    usual = Limits()
    limits = {
        "--max-body": ("BYTES", usual.body_bytes, "the longest body of a request"),
        "--max-requests": ("N", usual.requests, "requests that are answered at the same time"),
        "--max-connections": ("N", usual.connections, "open connections"),
        "--read-timeout": ("SECONDS", usual.read_s, "for a request to arrive"),
        "--wait-timeout": ("SECONDS", usual.wait_s, "for a request to wait for its turn"),
        "--stop-timeout": ("SECONDS", usual.stop_s, "for requests in flight when the server stops"),
    }
    for name, (unit, limit, text) in limits.items():
        default = int(limit)
        serve.add_argument(
            name, type=_positive, default=default, metavar=unit, help=f"{text} (default {default})"
        )
    serve.add_argument("--log-requests", action="store_true", help="log each request")
    push = _command(subparsers, "push", "put a bundle into a registry", bundle=False)
    push.add_argument("bundle", metavar="BUNDLE", help="a .strop file")
    push.add_argument(
        "reference",
        metavar="REPOSITORY[:TAG]",
        help="as registry.example.com/models/digits; default tag v<model_version>-<target>",
    )
    push.add_argument(
        "--since", metavar="TAG", help="also put a patch for devices that have this release"
    )
    push.add_argument("--replace", action="store_true", help="move the tag from another bundle")
    pull = _command(subparsers, "pull", "fetch a bundle from a registry", bundle=False)
    pull.add_argument(
        "reference",
        metavar="REPOSITORY[:TAG|@DIGEST]",
        help="as registry.example.com/models/digits:v1-rpi",
    )
    pull.add_argument("--channel", metavar="NAME", help="the release that this channel runs")
    pull.add_argument("--root", metavar="FILE", help="the root.json that verifies the channel")
    pull.add_argument(
        "--base",
        metavar="BUNDLE",
        help="a .strop file that is here: fetch only what differs (default FILE)",
    )
    pull.add_argument(
        "--output", required=True, metavar="FILE", help="the .strop file to write or replace"
    )
    channels = _command(
        subparsers, "channels", "show or sign the channels of a repository", bundle=False
    )
    channels.add_argument("--root", metavar="FILE", help="verify with the root.json of a device")
    acts = channels.add_mutually_exclusive_group()
    acts.add_argument("--create", action="store_true", help="make keys in DIR, and the channels")
    acts.add_argument(
        "--renew", action="store_true", help="sign again what is due, with the keys in DIR"
    )
    acts.add_argument("--replace-key", metavar="KEY", choices=KEYS, help=", ".join(KEYS))
    channels.add_argument(
        "--days",
        type=_positive,
        metavar="N",
        help="how long devices take the channels without a renewal (default 7)",
    )
    channels.add_argument(
        "--accept-older",
        action="store_true",
        help="renew channels that are older than those seen, of a registry restored from a backup",
    )
    promote = _command(
        subparsers, "promote", "make all devices of a channel run a release", bundle=False
    )
    for command in (channels, promote):
        command.add_argument(
            "repository", metavar="REPOSITORY", help="as registry.example.com/models/digits"
        )
    promote.add_argument("source", metavar="SOURCE", help="a channel, a tag or a digest")
    promote.add_argument("channel", metavar="CHANNEL", help="the channel; made if it is missing")
    promote.add_argument(
        "--allow-downgrade", action="store_true", help="promote an older model_version, too"
    )
    promote.add_argument(
        "--allow-stopped", action="store_true", help="promote what a rollout has stopped, too"
    )
    for command in (channels, promote):
        command.add_argument(
            "--keys",
            metavar="DIR",
            required=command is promote,
            help="the folder of keys that strop channels --create made",
        )
    agent = _command(
        subparsers, "agent", "keep this device at the release that its channel names", bundle=False
    )
    agent.add_argument(
        "settings", metavar="SETTINGS", help="a TOML file; examples/agent.toml has every key"
    )
    acts = agent.add_mutually_exclusive_group()
    acts.add_argument(
        "--once",
        action="store_true",
        help="poll once; status 0: nothing is wrong, 1: the release failed here, 2: try again",
    )
    acts.add_argument(
        "--forget", action="store_true", help="try again what has failed on this device"
    )
    rollout = _command(
        subparsers, "rollout", "take the next step of a rollout, as reports allow", bundle=False
    )
    rollout.add_argument("plan", metavar="PLAN", help="a TOML file: the release, and the groups")
    rollout.add_argument("--dry-run", action="store_true", help="show the step, and sign nothing")
    ways = rollout.add_mutually_exclusive_group()
    ways.add_argument("--stop", action="store_true", help="stop it, whatever the reports say")
    ways.add_argument("--again", action="store_true", help="start a release that was stopped")
    drift = _command(
        subparsers, "drift", "tell whether the input still looks like what the model was proven on"
    )
    drift.add_argument(
        "counts",
        nargs="+",
        metavar="COUNTS",
        help="a file of counts, or a folder of them; all are summed",
    )
    drift.add_argument(
        "--devices",
        metavar="FILE",
        help="COUNTS are files of reports, of the devices whose keys this file lists",
    )
    drift.add_argument(
        "--since", metavar="COUNTS", help="judge what was counted after these earlier counts"
    )
    drift.add_argument("--picture", metavar="PNG", help="draw what has changed")
    doctor = _command(
        subparsers, "doctor", "show which engines work here, and how to get others", bundle=False
    )
    doctor.add_argument(
        "--timeout",
        type=_positive,
        default=60,
        metavar="SECONDS",
        help="limit for each engine (default 60)",
    )

    completion = _command(
        subparsers, "completion", "print a completion script for a shell", bundle=False
    )
    completion.add_argument("shell", choices=SHELLS, help=", ".join(SHELLS), metavar="SHELL")
    asked = _command(subparsers, "help", "show how to use strop, or one command", bundle=False)
    asked.add_argument(
        "topic", nargs="?", choices=root.commands, metavar="COMMAND", help="the command"
    )
    for command in (completion, asked):
        command.set_defaults(json=False)

    for command in (run, checking, bench, sweep, serve):
        command.add_argument("--engine", help=f"use only this one: {', '.join(engines.NAMES)}")
        command.add_argument(
            "--precision", help=f"use only this one: {', '.join(manifest.PRECISIONS)}"
        )
    for command in (run, checking, bench, tune, serve):
        command.add_argument("--device", help=f"use this device: {', '.join(engines.ASKABLE)}")
    for command in (run, bench, serve):
        command.add_argument(
            "--threads",
            type=_positive,
            help="the engine's threads (default: as tuned, else 1)",
        )
    for command in (checking, install, rollback):
        with_a_board = "; of a board for one line of its answer (default 20)"
        command.add_argument(
            "--timeout",
            type=_positive,
            default=None if command is checking else 120,
            metavar="SECONDS",
            help="limit for one engine on one file (default 120)"
            + (with_a_board if command is checking else ""),
        )
    for command in (bench, tune):
        command.add_argument(
            "--batch", type=_positive, default=1, help="samples per call (default 1)"
        )
    opening = (info, run, checking, bench, tune, sweep, verify, install, rollback, serve, drift)
    for command in (*opening, push, pull, promote):
        command.add_argument(
            "--trusted-keys", metavar="FILE", help="refuse bundles not signed by one of these keys"
        )
    fleet = (push, pull, channels, promote, agent, rollout)
    for command in (*opening, sign, keygen, history, *fleet, doctor):
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
    return root


def _command(
    subparsers: Any, name: str, text: str, *, bundle: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text)
    if bundle:
        parser.add_argument(
            "bundle", metavar="BUNDLE", help="a .strop file, or a folder made by strop install"
        )
    return parser


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 10 else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return value


def _port(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 6 else -1
    if not 0 <= value < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return value


def _counts(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]
