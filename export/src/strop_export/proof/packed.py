"""The check of a finished bundle: the command that devices run, on every engine that proved it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from strop.diagnostics.replay import PASSED
from strop.engines import on_device
from strop_export.bundles import Proven
from strop_export.errors import ProofError
from strop_export.proof import environments
from strop_export.proof.runs import Workstation
from strop_export.wheels import Wheels


def check_bundle(
    bundle: Path, variants: Iterable[Proven], workstation: Workstation, wheels: Wheels
) -> dict[tuple[str, str], str]:
    """Run `strop check` on a finished bundle, on every engine and device that proved it.

    Args:
        bundle: the bundle, in a folder for the command's cache.
        variants: its variants.
        workstation: where they were proven.
        wheels: the wheels that devices get.

    Returns:
        (format, precision) of each variant that fails -> the reason.

    Raises:
        ProofError: the check itself fails, or skips a variant.
    """
    proven = [
        ((proof.engine, proof.device), (variant.spec.format, variant.spec.precision))
        for variant in variants
        for proof in variant.proofs
    ]
    fallen = {}
    for place in sorted({place for place, _ in proven}):
        engine, device = place
        said = environments.run_strop(
            workstation.pythons[place],
            wheels.importable,
            *("check", str(bundle), "--engine", engine, "--device", device),
            directory=bundle.parent,
            statuses=(0, 1),
        )
        found = {(r["format"], r["precision"]): r for r in said["results"]}
        for kind in (kind for where, kind in proven if where == place):
            if kind not in found:
                raise ProofError(f"strop check {' '.join(place)} skips {' '.join(kind)}")
            if found[kind]["status"] != PASSED:
                where = on_device(*place)
                fallen[kind] = f"{' '.join(kind)}: strop check on {where}: {found[kind]['detail']}"
    return fallen
