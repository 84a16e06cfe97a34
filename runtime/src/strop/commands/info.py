"""strop info: what a bundle holds, and what was proven of it."""

from __future__ import annotations

import argparse
import json

from strop import engines
from strop.bundle import manifest
from strop.bundle.file import Bundle
from strop.bundle.open import open_bundle
from strop.commands.show import print_json, print_table, signature


def main(arguments: argparse.Namespace) -> int:
    """Show what the bundle holds, and what was proven of it."""
    bundle = open_bundle(arguments.bundle, arguments.trusted_keys)
    bundle.check_digests()
    content = bundle.manifest
    if arguments.json:
        print_json(
            {
                "digest": bundle.digest,
                "signature": signature(bundle),
                "manifest": json.loads(content.to_json()),
            }
        )
        return 0
    (spec,), (output,) = content.inputs, content.outputs
    print(f"{content.name} v{content.model_version} for {content.target}")
    print(f"digest   {bundle.digest}")
    print(f"signed   {_signed(bundle)}")
    print(f"input    {_describe(spec)}")
    print(f"output   {_describe(output)}")
    print(f"engines  {', '.join(_engine_state(name) for name in content.engines)}")
    rows = [("precision", "format", "engine", "bytes", "accuracy", "agreement", "max error", "")]
    for variant in content.variants:
        for proof in variant.proofs:
            rows.append(
                (
                    variant.precision,
                    variant.format,
                    f"{engines.on_device(proof.engine, proof.device)} {proof.version}",
                    f"{variant.bytes:,}",
                    "-" if proof.accuracy is None else f"{proof.accuracy:.4f}",
                    f"{proof.top1_agreement:.4f}",
                    f"{proof.max_abs_error:.2g}",
                    proof.adapter,
                )
            )
    print("proven at export, against Keras:")
    print_table(rows)
    return 0


def _signed(bundle: Bundle) -> str:
    found = signature(bundle)
    if found is None:
        return "by nobody"
    if bundle.signed_by is not None:
        return f"by {bundle.signed_by}, verified"
    return f"by {found['public_key']}, not verified: no trusted keys are configured"


def _describe(spec: manifest.TensorSpec) -> str:
    shape = ", ".join("N" if size is None else str(size) for size in spec.shape)
    text = f"{spec.name}: {spec.dtype} ({shape})"
    if spec.range:
        text += f", {spec.range[0]:g}..{spec.range[1]:g}"
    if spec.labels:
        text += f", labels {' '.join(spec.labels)}"
    if spec.image:
        text += f", pictures: {spec.image.mode}, {spec.image.background} background"
    return text


def _engine_state(name: str) -> str:
    here = name in engines.NAMES and engines.is_installed(name)
    return f"{name} (installed)" if here else f"{name} (absent)"
