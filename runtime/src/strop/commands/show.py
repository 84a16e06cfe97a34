"""Steps that several commands share: opening a model, and describing it."""

from __future__ import annotations

import argparse
import math
from typing import Any

import strop
from strop import engines
from strop.bundle.file import SIGNATURE, Bundle
from strop.bundle.installed import Event
from strop.commands.terminal import print_line, print_note, print_table
from strop.device.cpu import Cpu
from strop.errors import BundleError
from strop.model.select import open_best


def open_asked(bundle: Bundle, arguments: argparse.Namespace) -> strop.Model:
    """Open a model with the options of a command."""
    return open_best(
        bundle,
        engine=arguments.engine,
        device=arguments.device,
        precision=arguments.precision,
        threads=arguments.threads,
    )


def identity(model: strop.Model) -> dict[str, Any]:
    """Collect which model runs, and on what, for JSON."""
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
    """Print on stderr which model ran; and, if strop chose the device, the reason.

    Args:
        model: the one that ran.
        asked: the requested device, if any.
    """
    print_note(repr(model))
    if asked == engines.AUTO:
        where = "gpu" if model.adapter else "cpu"
        why = (
            "as strop tune measured"
            if model.tuned
            else "the default until strop tune has measured (with --batch for large batches)"
        )
        print_note(f"device auto: {where}, {why}")


def finite(value: float | None) -> float | None:
    """Return a finite value as it is, and None for infinity, which JSON does not have.

    The status says that it was one.
    """
    return value if value is not None and math.isfinite(value) else None


def print_changed(folder: str, event: Event) -> None:
    """Print which bundle is current in a folder now, and which checks it passed."""
    print_line(f"{event.name} v{event.model_version} for {event.target} is current in {folder}")
    print_line("it gives the proven outputs here:")
    rows = [
        (
            engines.on_device(checked.engine, checked.device),
            checked.precision,
            checked.format,
            f"{checked.max_abs_error:.2g}",
        )
        for checked in event.checked
    ]
    header = ("engine", "precision", "format", "max error", "")
    print_table(rows, header, [[checked.detail] for checked in event.checked])


def print_cpu(cpu: Cpu) -> None:
    """Print the CPU on which the timings below were made.

    The name of an emulated board says that it is one.
    """
    if cpu.model:
        print_line(f"on {cpu.model}")
