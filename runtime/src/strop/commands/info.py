"""strop info: show a bundle's content and its proofs."""

from __future__ import annotations

import argparse
import json
from typing import Any

from strop import engines
from strop.bundle import manifest
from strop.bundle.file import Bundle
from strop.bundle.open import open_bundle
from strop.commands.show import signature
from strop.commands.terminal import print_fact, print_json, print_line, print_table

# The figures that people ask for first, of any kind of output.
_FIRST = (
    "accuracy",
    "f1",
    "auc",
    "mean_iou",
    "r2",
    "rmse",
    "sqnr_db",
    "cosine",
    "top1_agreement",
    "agreement",
    "max_abs_error",
)


def main(arguments: argparse.Namespace) -> int:
    """Show the bundle's content and its proofs."""
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
    print_line(f"{content.name} v{content.model_version} for {content.target}")
    print_fact("digest", bundle.digest)
    print_fact("signed", _signed(bundle))
    for source in content.inputs:
        print_fact("input", _describe_input(source))
    for output in content.outputs:
        print_fact("output", _describe_output(output))
    if content.structure != "one":
        print_fact("gives", f"a {content.structure} of these, as the Keras model does")
    print_fact("engines", ", ".join(map(_engine_state, content.engines)))
    by_itself = ", self-evaluated: on calibration samples kept apart, for lack of others"
    print_line(f"proven at export, against Keras{by_itself if content.self_evaluated else ''}:")
    _print_proofs(content)
    return 0


def _print_proofs(content: manifest.Manifest) -> None:
    """Print what was proven: a row for each engine on each file, and each output."""
    several = len(content.outputs) > 1
    rows, figures = [], []
    for variant in content.variants:
        for proof in variant.proofs:
            for output, judged in zip(content.outputs, proof.outputs, strict=True):
                rows.append(
                    (
                        variant.precision,
                        variant.format,
                        f"{engines.on_device(proof.engine, proof.device)} {proof.version}",
                        f"{variant.bytes:,}",
                        *([output.name] if several else []),
                    )
                )
                figures.append([_figures(judged.figures), proof.adapter])
    header = ("precision", "format", "engine", "bytes", *(["output"] if several else []), "figures")
    print_table(rows, header, figures)


def _figures(figures: dict[str, Any]) -> str:
    """Write figures on one line: those that people ask for first, then the rest."""
    first = [name for name in _FIRST if name in figures]
    others = sorted(figures.keys() - set(first))
    written = ((name, _figure(figures[name])) for name in (*first, *others))
    return ", ".join(f"{name} {text}" for name, text in written if text)


def _figure(value: Any) -> str:
    """Write a figure; of many columns the smallest and the largest. None gives nothing."""
    if value is None or value == []:
        return ""
    if isinstance(value, list):
        low, high = min(value), max(value)
        return f"{low:.4g}" if low == high else f"{low:.4g}..{high:.4g}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _signed(bundle: Bundle) -> str:
    found = signature(bundle)
    if found is None:
        return "by nobody"
    if bundle.signed_by is not None:
        return f"by {bundle.signed_by}, verified"
    return f"by {found['public_key']}, not verified: no trusted keys are configured"


def _describe(spec: manifest.InputSpec | manifest.OutputSpec) -> str:
    shape = ", ".join("N" if size is None else str(size) for size in spec.shape)
    text = f"{spec.name}: {spec.dtype} ({shape})"
    if spec.range:
        text += f", {spec.range[0]:g}..{spec.range[1]:g}"
    return text


def _describe_input(spec: manifest.InputSpec) -> str:
    text = _describe(spec)
    if spec.picture:
        steps = ", ".join(step.step for step in spec.picture.steps)
        text += f", pictures: {spec.picture.mode}, {steps}"
    return text


def _describe_output(spec: manifest.OutputSpec) -> str:
    text = f"{_describe(spec)}, {spec.kind}"
    if spec.logits:
        text += " of logits"
    if spec.threshold is not None:
        text += f", yes above {spec.threshold:g}"
    if spec.labels:
        text += f", labels {' '.join(spec.labels)}"
    return text


def _engine_state(name: str) -> str:
    here = name in engines.NAMES and engines.is_installed(name)
    return f"{name} (installed)" if here else f"{name} (absent)"
