"""strop check --serial: let a microcontroller replay the golden samples of its firmware."""

from __future__ import annotations

import argparse

from strop.bundle.open import open_bundle
from strop.commands.terminal import print_json, print_line, print_table, progress
from strop.diagnostics.board_check import BAUD, LIMIT_S, check_board
from strop.diagnostics.replay import PASSED
from strop.errors import InputError


def main(arguments: argparse.Namespace) -> int:
    """Ask the board at a serial port; return 1 if a sample does not give the proven outputs."""
    for option in ("engine", "device", "precision"):
        if getattr(arguments, option) is not None:
            raise InputError(
                f"--{option} chooses what runs on this device, and --serial asks a board",
                "give one of both",
            )
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    with progress() as show:
        result = check_board(
            bundle,
            arguments.serial,
            arguments.baud or BAUD,
            limit_s=arguments.timeout or LIMIT_S,
            progress=show,
        )
    variant = result.variant
    if arguments.json:
        print_json(
            {
                "bundle": arguments.bundle,
                "digest": bundle.digest,
                "port": result.port,
                "model": bundle.manifest.name,
                "precision": variant.precision,
                "plan_sha256": variant.sha256,
                "passed": result.passed,
                "results": [sample._asdict() for sample in result.samples],
            }
        )
        return 0 if result.passed else 1
    print_line(
        f"on the board at {result.port}: {bundle.manifest.name}, {variant.precision} plan "
        f"{variant.sha256[:16]}"
    )
    rows = [
        (str(s.sample), s.status, f"{s.differing_bytes:,}", s.crc32, s.proven_crc32)
        for s in result.samples
    ]
    print_table(rows, ("sample", "status", "differing bytes", "CRC-32", "proven CRC-32"))
    right = sum(sample.status == PASSED for sample in result.samples)
    print_line(
        f"{right} of {len(rows)} golden samples give the outputs proven at export, of "
        f"{bundle.manifest.golden.samples} in the bundle"
    )
    return 0 if result.passed else 1
