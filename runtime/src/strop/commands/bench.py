"""strop bench: time predict on this device."""

from __future__ import annotations

import argparse

from strop.bundle.open import open_bundle
from strop.commands.show import identity, open_asked, print_cpu
from strop.commands.terminal import print_json, print_line
from strop.device import cpu
from strop.diagnostics.replay import golden_inputs
from strop.diagnostics.timing import measure
from strop.model.several import repeated


def main(arguments: argparse.Namespace) -> int:
    """Time predict on this device."""
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    with open_asked(bundle, arguments) as model:
        batch = repeated(golden_inputs(bundle), arguments.batch)
        latency = measure(
            lambda: model.predict(batch), samples=arguments.samples, warmup=arguments.samples // 10
        )
        if arguments.json:
            print_json(
                {
                    "model": identity(model),
                    "cpu": cpu.this_cpu()._asdict(),
                    "batch": arguments.batch,
                    **latency._asdict(),
                }
            )
            return 0
        print_cpu(cpu.this_cpu())
        print_line(repr(model))
        print_line(
            f"predict, batch {arguments.batch}, {latency.samples} calls: "
            f"p50 {latency.p50_us:.1f} us, p95 {latency.p95_us:.1f} us, p99 {latency.p99_us:.1f} us"
        )
    return 0
