"""The command people type on the device: strop info | run | check | bench.

Exit status: 0 done; 1 a check failed; 2 the request cannot be met, with one line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import strop
from strop import engines, manifest, select
from strop.bundle import open_bundle
from strop.check import ABSENT, check, failures
from strop.errors import InputError, StropError
from strop.images import read_samples
from strop.timing import measure

# What a shell says of a command that died of SIGPIPE. Not 0: a check nobody read has not passed.
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a label may be in no alphabet of the terminal's
        sys.stdout.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # Pillow's and numpy's; ours are errors
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone (`strop info x | head`)
        _forget_output()
        return BROKEN_PIPE
    except StropError as error:
        return _complain(str(error))
    except MemoryError as error:
        return _complain(str(error) or "out of memory")
    except OSError as error:
        _forget_output()
        return _complain(f"cannot write the output: {error.strerror or error}")
    return status


def _complain(text: str) -> int:
    print(f"strop: {_line(text)}", file=sys.stderr)
    return 2


def _line(text: str) -> str:
    """What engines say may run over several lines."""
    return " ".join(text.split("\n"))


def _forget_output() -> None:
    """Keep Python from writing, at its end, what could not be written."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _info(arguments: argparse.Namespace) -> int:
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


def _run(arguments: argparse.Namespace) -> int:
    with _load(arguments) as model:
        batches = [read_samples(path, model.input) for path in arguments.inputs]
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


def _check(arguments: argparse.Namespace) -> int:
    bundle = open_bundle(arguments.bundle)
    results = check(bundle, engine=arguments.engine, precision=arguments.precision)
    bad = failures(results)
    if arguments.json:
        _print_json(
            {
                "bundle": arguments.bundle,
                "digest": bundle.digest,
                "passed": not bad,
                "results": [
                    {**asdict(r), "latency": r.latency and r.latency._asdict()} for r in results
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
                _line(r.detail),
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


def _bench(arguments: argparse.Namespace) -> int:
    with _load(arguments) as model:
        bundle = open_bundle(arguments.bundle)
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


def _load(arguments: argparse.Namespace) -> strop.Model:
    return strop.load(
        arguments.bundle,
        engine=arguments.engine,
        device=arguments.device,
        precision=arguments.precision,
        threads=arguments.threads,
    )


class _Parser(argparse.ArgumentParser):
    """Complains in one line, like everything here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"strop: {_line(message)}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="strop", description="Run a proven model here, and prove it again.")
    parser.add_argument("--version", action="version", version=f"strop {strop.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = _command(commands, "info", _info, "what the bundle holds, and what was proven")
    run = _command(commands, "run", _run, "predict: pictures or .npy files in, labels out")
    run.add_argument("inputs", nargs="+", metavar="FILE", help="a picture, or an .npy of samples")
    run.add_argument(
        "--output", metavar="NPY", help="write the outputs, float32 (N, classes), instead"
    )
    checking = _command(commands, "check", _check, "replay the golden samples on this device")
    bench = _command(commands, "bench", _bench, "time predict on this device")
    bench.add_argument("--batch", type=_positive, default=1, help="samples a call (default 1)")
    bench.add_argument("--samples", type=_positive, default=2000, help="calls (default 2000)")

    for command in (run, checking, bench):
        command.add_argument("--engine", help=f"insist on one: {', '.join(engines.NAMES)}")
        command.add_argument("--precision", help=f"insist on one: {', '.join(manifest.PRECISIONS)}")
    for command in (run, bench):
        command.add_argument("--device", help=f"insist on one: {', '.join(select.DEVICES)}")
        command.add_argument("--threads", type=_positive, default=1, help="default 1")
    for command in (info, run, checking, bench):
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser


def _command(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("bundle", metavar="BUNDLE", help="a .strop file")
    parser.set_defaults(command=function)
    return parser


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 10 else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return value


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


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2))


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
