"""strop check: replay the golden samples on this device."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from strop import engines
from strop.bundle.open import open_bundle
from strop.commands import check_serial
from strop.commands.show import finite, print_cpu
from strop.commands.terminal import print_json, print_line, print_table, progress
from strop.device import cpu
from strop.diagnostics.check import check, failures
from strop.diagnostics.replay import ABSENT, out_of_range
from strop.errors import InputError

_LIMIT_S = 120  # for one engine on one file


def main(arguments: argparse.Namespace) -> int:
    """Replay the golden samples on this device; return 1 if an engine that is here fails."""
    if arguments.serial is not None:  # also "", of a variable that is not set
        return check_serial.main(arguments)
    if arguments.baud is not None:
        raise InputError("--baud is the speed of a serial port", "name the port with --serial")
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    with progress() as show:
        results = check(
            bundle,
            engine=arguments.engine,
            device=arguments.device,
            precision=arguments.precision,
            limit_s=arguments.timeout or _LIMIT_S,
            progress=show,
        )
    bad = failures(results)
    outside = out_of_range(bundle)
    if arguments.json:
        print_json(
            {
                "bundle": arguments.bundle,
                "digest": bundle.digest,
                "cpu": cpu.this_cpu()._asdict(),
                "passed": not bad,
                "out_of_range": {name: number for name, (number, _) in outside.items()},
                "results": [
                    {
                        **asdict(r),
                        "max_abs_error": finite(r.max_abs_error),
                        "latency": r.latency and r.latency._asdict(),
                    }
                    for r in results
                ],
            }
        )
        return 1 if bad else 0
    rows = []
    for r in results:
        figures = r.max_abs_error is not None
        rows.append(
            (
                engines.on_device(r.engine, r.device),
                r.precision,
                r.format,
                r.status,
                f"{r.max_abs_error:.2g}" if figures else "-",
                "-" if r.keras_agreement is None else f"{r.keras_agreement:.3f}",
                f"{r.latency.p50_us:.1f}" if r.latency else "-",
            )
        )
    print_cpu(cpu.this_cpu())
    header = ("engine", "precision", "format", "status", "max error", "Keras", "p50 us", "")
    print_table(rows, header, [[r.text] for r in results])
    present = sum(r.status != ABSENT for r in results)
    samples = bundle.manifest.golden.samples
    print_line(
        f"{present - len(bad)} of {present} variants on installed engines give the outputs "
        f"proven at export, on {samples} golden samples"
    )
    for spec in bundle.manifest.inputs:
        number, values = outside.get(spec.name, (0, 0))
        if number and spec.range:
            print_line(
                f"{spec.name}: {number:,} of {values:,} golden values are outside the range it was "
                f"proven on ({spec.range[0]:g}..{spec.range[1]:g})"
            )
    return 1 if bad else 0
