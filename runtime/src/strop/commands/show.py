"""What the commands share: how they print, and how they open what was asked for."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import strop
from strop import engines
from strop.bundle.file import SIGNATURE, Bundle
from strop.bundle.installed import Event
from strop.device.cpu import Cpu
from strop.errors import BundleError
from strop.model.select import open_best


def open_asked(bundle: Bundle, arguments: argparse.Namespace) -> strop.Model:
    """Open what the options of a command insist on."""
    return open_best(
        bundle,
        engine=arguments.engine,
        device=arguments.device,
        precision=arguments.precision,
        threads=arguments.threads,
    )


def identity(model: strop.Model) -> dict[str, Any]:
    """Collect what says which model runs, and on what, for JSON."""
    names = ("name", "version", "engine", "engine_version", "device", "adapter", "precision")
    return {name: getattr(model, name) for name in (*names, "threads", "tuned")}


def signature(bundle: Bundle) -> dict[str, Any] | None:
    """Describe whose signature a bundle has, and whether it was verified; None if it has none."""
    key, content = bundle.signed_by, bundle.members.get(SIGNATURE)
    if content is None:
        return None
    if key is None:
        from strop.bundle.signing import read_signature

        try:
            key = read_signature(content).key
        except BundleError as error:
            whole = f"{bundle.manifest.name}-{bundle.manifest.target}"
            raise error.within(f"bundle {whole} refused") from None
    verified = bundle.signed_by is not None
    return {"public_key": key.text, "comment": key.comment, "verified": verified}


def print_choice(model: strop.Model, asked: str | None) -> None:
    """Say on stderr what ran; and, if the device was left to us, what it was chosen by.

    Args:
        model: the one that ran.
        asked: the device that was asked for, if any.
    """
    print(repr(model), file=sys.stderr)
    if asked == engines.AUTO:
        where = "gpu" if model.adapter else "cpu"
        why = (
            "as strop tune measured"
            if model.tuned
            else "the default until strop tune has measured (with --batch for large batches)"
        )
        print(f"device auto: {where}, {why}", file=sys.stderr)


def finite(value: float | None) -> float | None:
    """Return a finite value as it is, and None for infinity, which JSON does not have.

    The status says that it was one.
    """
    return value if value is not None and math.isfinite(value) else None


def print_progress(line: str) -> None:
    """Show a step on a terminal, in the place of the one before."""
    if sys.stderr.isatty():
        print(f"\r{line:<70}\r", end="", file=sys.stderr, flush=True)


def print_note(line: str) -> None:
    """Say on stderr what is going on, for people who wonder why it takes so long."""
    print(f"strop: {line}", file=sys.stderr, flush=True)


def print_changed(folder: str, event: Event) -> None:
    """Say which bundle is current in a folder now, and which checks it passed."""
    print(f"{event.name} v{event.model_version} for {event.target} is current in {folder}")
    print("it gives the proven outputs here:")
    rows = [("engine", "precision", "format", "max error", "")]
    for checked in event.checked:
        rows.append(
            (
                engines.on_device(checked.engine, checked.device),
                checked.precision,
                checked.format,
                f"{checked.max_abs_error:.2g}",
                checked.detail,
            )
        )
    print_table(rows)


def print_json(content: Any) -> None:
    """Print a value as JSON; it must hold no NaN or infinity."""
    print(json.dumps(content, indent=2, allow_nan=False))


def print_cpu(cpu: Cpu) -> None:
    """Print which CPU the timings below are true of.

    The name of an emulated board says that it is one.
    """
    if cpu.model:
        print(f"on {cpu.model}")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
