"""What each command does: info, run, check, bench. Parsed arguments in, the exit status out."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import strop
from strop import engines, manifest
from strop.bundle import Bundle, open_bundle
from strop.check import ABSENT, failures
from strop.check import check as replay
from strop.errors import InputError
from strop.images import read_samples
from strop.select import choose, open_model
from strop.timing import measure


def info(arguments: argparse.Namespace) -> int:
    """What the bundle holds, and what was proven of it."""
    bundle = open_bundle(arguments.bundle)
    content = bundle.manifest
    if arguments.json:
        _print_json({"digest": bundle.digest, "manifest": json.loads(content.to_json())})
        return 0
    (spec,), (output,) = content.inputs, content.outputs
    print(f"{content.name} v{content.model_version} for {content.target}")
    print(f"digest   {bundle.digest}")
    print(f"input    {_describe(spec)}")
    print(f"output   {_describe(output)}")
    print(f"engines  {', '.join(_engine_state(name) for name in content.engines)}")
    rows = [("precision", "format", "engine", "bytes", "accuracy", "agreement", "max error")]
    for variant in content.variants:
        for proof in variant.proofs:
            rows.append(
                (
                    variant.precision,
                    variant.format,
                    f"{proof.engine} {proof.version}",
                    f"{variant.bytes:,}",
                    "-" if proof.accuracy is None else f"{proof.accuracy:.4f}",
                    f"{proof.top1_agreement:.4f}",
                    f"{proof.max_abs_error:.2g}",
                )
            )
    print("proven at export, against Keras:")
    _print_table(rows)
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Predict, and name or write what comes out."""
    bundle = open_bundle(arguments.bundle)
    # The inputs first: what is wrong with them is said before an engine starts, and alone.
    batches = [read_samples(path, bundle.manifest.inputs[0]) for path in arguments.inputs]
    with _open(bundle, arguments) as model:
        outputs = [model.predict(batch) for batch in batches]
        if arguments.output:
            _write_npy(arguments.output, np.concatenate(outputs))
            if arguments.json:
                _print_json({"model": _identity(model), "output": arguments.output})
            else:
                print(f"{arguments.output}: {sum(map(len, outputs))} outputs of {model!r}")
            return 0
        named = [
            (path if len(rows) == 1 else f"{path}[{i}]", model.prediction(row))
            for path, rows in zip(arguments.inputs, outputs, strict=True)
            for i, row in enumerate(rows)
        ]
        if arguments.json:
            _print_json(
                {
                    "model": _identity(model),
                    "predictions": [
                        {
                            "input": name,
                            "label": best.label,
                            "probability": best.probability,
                            "probabilities": dict(
                                zip(model.labels, best.probabilities.tolist(), strict=True)
                            ),
                        }
                        for name, best in named
                    ],
                }
            )
        else:
            _print_table([(name, best.label, f"{best.probability:.4f}") for name, best in named])
            print(repr(model), file=sys.stderr)
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Replay the golden samples on this device; 1 if an engine that is here fails."""
    bundle = open_bundle(arguments.bundle)
    results = replay(bundle, engine=arguments.engine, precision=arguments.precision)
    bad = failures(results)
    if arguments.json:
        _print_json(
            {
                "bundle": arguments.bundle,
                "digest": bundle.digest,
                "passed": not bad,
                "results": [
                    {
                        **asdict(r),
                        "max_abs_error": _finite(r.max_abs_error),
                        "latency": r.latency and r.latency._asdict(),
                    }
                    for r in results
                ],
            }
        )
        return 1 if bad else 0
    rows = [("engine", "precision", "format", "status", "max error", "Keras", "p50 us", "")]
    for r in results:
        figures = r.max_abs_error is not None
        rows.append(
            (
                r.engine,
                r.precision,
                r.format,
                r.status,
                f"{r.max_abs_error:.2g}" if figures else "-",
                f"{r.keras_agreement:.3f}" if figures else "-",
                f"{r.latency.p50_us:.1f}" if r.latency else "-",
                one_line(r.detail),
            )
        )
    _print_table(rows)
    present = sum(r.status != ABSENT for r in results)
    samples = bundle.manifest.golden.samples
    print(
        f"{present - len(bad)} of {present} variants on installed engines give the outputs "
        f"proven at export, on {samples} golden samples"
    )
    return 1 if bad else 0


def bench(arguments: argparse.Namespace) -> int:
    """Time predict on this device."""
    bundle = open_bundle(arguments.bundle)
    with _open(bundle, arguments) as model:
        golden = bundle.array(bundle.manifest.golden.inputs)
        batch = golden[np.arange(arguments.batch) % len(golden)]
        latency = measure(
            lambda: model.predict(batch), samples=arguments.samples, warmup=arguments.samples // 10
        )
        if arguments.json:
            _print_json({"model": _identity(model), "batch": arguments.batch, **latency._asdict()})
            return 0
        print(repr(model))
        print(
            f"predict, batch {arguments.batch}, {latency.samples} calls: "
            f"p50 {latency.p50_us:.1f} us, p95 {latency.p95_us:.1f} us, p99 {latency.p99_us:.1f} us"
        )
    return 0


def _open(bundle: Bundle, arguments: argparse.Namespace) -> strop.Model:
    choice = choose(
        bundle.manifest,
        engine=arguments.engine,
        device=arguments.device,
        precision=arguments.precision,
    )
    return open_model(bundle, choice, threads=arguments.threads)


def one_line(text: str) -> str:
    """What engines say may run over several lines."""
    return " ".join(text.split("\n"))


def _identity(model: strop.Model) -> dict[str, Any]:
    names = ("name", "version", "engine", "engine_version", "device", "precision", "threads")
    return {name: getattr(model, name) for name in names}


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


def _write_npy(path: str, array: Any) -> None:
    """Write under another name first, so that a full disk leaves no half file."""
    if Path(path).suffix != ".npy":
        raise InputError(f"--output {path}: the name must end in .npy")
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=False)
    draft = Path(f"{path}.{os.getpid()}.part")
    try:
        draft.write_bytes(content.getbuffer())
        draft.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _finite(value: float | None) -> float | None:
    """JSON has no infinity; the status says that it was one."""
    return value if value is not None and math.isfinite(value) else None


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, allow_nan=False))


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
