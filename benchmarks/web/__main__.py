"""`python -m benchmarks.web`: Strop's module for pages beside onnxruntime-web, under Node.

Exit status: 0 the results are written; 1 a float32 answer is another than onnxruntime-web's; 2
nothing can be measured, and one line says why.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import exports, machine, networks
from benchmarks.alone import alone
from benchmarks.command import status_of
from benchmarks.environments import Environments
from benchmarks.files import CACHE, ROOT, NotMeasurable
from benchmarks.results import PEER, RESULTS, STROP

_MLP = "mnist-mlp"
NETWORKS = (_MLP, *networks.NETWORKS)
NEAR = 1e-4  # float32 answers of two engines differ by less

_PACKAGES = ROOT / "demo"  # onnxruntime-web is pinned there
_PRECISIONS = ("int8", "float32")
_SAMPLES = 100  # of a network, in turn
_LIMIT_S = 1800


@dataclass(frozen=True)
class Row:
    """The time of one subject on one network: microseconds for a call with one sample."""

    network: str
    kind: str  # STROP or PEER
    precision: str
    p50_us: float
    least_us: float
    samples_us: tuple[float, ...]  # a mean for each turn, in the order of measurement


def main() -> int:
    """Run the command line.

    Returns:
        The exit status, as the module's docstring lists it.
    """
    arguments = _parser().parse_args()
    return status_of(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    with alone(), tempfile.TemporaryDirectory(prefix="strop-web-") as name:
        rows, farthest, environment = measure(arguments, Path(name))
    content = {"environment": environment, "rows": [asdict(row) for row in rows]}
    arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(*table(rows), sep="\n")
    for network, distance in farthest.items():
        if not distance < NEAR:
            print(f"benchmarks: {network}: float32 answers differ by {distance:.1g}")
    return int(any(not distance < NEAR for distance in farthest.values()))


def measure(
    arguments: argparse.Namespace, folder: Path
) -> tuple[list[Row], dict[str, float], dict[str, Any]]:
    """Export the networks, train those first that are not trained, and time them.

    Returns:
        The rows; for each network, how far the float32 answers of the two are apart; the machine.

    Raises:
        NotMeasurable: onnxruntime-web or Node is missing, an export fails, or Node does.
    """
    if not (_PACKAGES / "node_modules" / "onnxruntime-web").is_dir():
        raise NotMeasurable("onnxruntime-web is missing: run `npm ci` in demo/")
    node = shutil.which("node") or shutil.which("node", path=Path(sys.executable).parent)
    if node is None:
        raise NotMeasurable("there is no node: run `make setup`")
    prepared = [_prepared(name, arguments.artifact, folder) for name in arguments.only]
    environment = machine.describe(Environments({}, Path(), folder), quick=arguments.quick)
    job = {
        "networks": prepared,
        "module": str(Path(prepared[0]["bundle"]).with_suffix("")),  # export writes it beside each
        "samples": _SAMPLES,
        "precisions": _PRECISIONS,
        "packages": str(_PACKAGES),
        "rounds": 21 if arguments.quick else 201,
        "warm_us": 5e5,
        "turn_us": 2e3,  # short, so that other work on the machine interrupts few
    }
    (folder / "job.json").write_text(json.dumps(job))
    worker = Path(__file__).with_name("worker.mjs")
    done = subprocess.run(
        [node, worker, folder / "job.json"],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise NotMeasurable(f"{worker.name} failed: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    results = said.pop("results")
    rows = [
        Row(
            network=result["network"],
            kind=result["subject"],
            precision=result["precision"],
            p50_us=round(statistics.median(result["times_us"]), 3),
            least_us=round(min(result["times_us"]), 3),
            samples_us=tuple(round(time_us, 3) for time_us in result["times_us"]),
        )
        for result in results
    ]
    answers = {
        (result["network"], result["subject"]): np.array(result["answers"])
        for result in results
        if result["precision"] == "float32"
    }
    farthest = {
        name: float(np.abs(answers[name, STROP] - answers[name, PEER]).max())
        for name in arguments.only
    }
    return rows, farthest, {**environment, "packages": said}


def _prepared(name: str, mlp: Path, folder: Path) -> dict[str, str]:
    """Export a network, and describe it to the worker.

    Args:
        name: one of `NETWORKS`.
        mlp: the artifact of MNIST's network.
        folder: where samples may be written.
    """
    artifact = mlp.resolve() if name == _MLP else exports.trained(name)
    out = CACHE / "web" / name
    exports.export(artifact, ("web",), _PRECISIONS, out)
    bundle = out / f"{artifact.name}-web.strop"
    samples = folder / f"{name}.raw"
    with np.load(artifact / "evaluation.npz") as evaluation:
        evaluation["inputs"][:_SAMPLES].astype(np.uint8).tofile(samples)
    return {"name": name, "bundle": str(bundle), "samples": str(samples)}


def table(rows: Sequence[Row]) -> list[str]:
    """Return a Markdown table: a line for each network and precision.

    Its times are medians over the turns, then the least; the ratio is of the least. Other work on
    the machine only adds time, and much of it spoils more than half of the turns.
    """
    lines = ["| network | precision | Strop | onnxruntime-web | ratio |", "|---|---|--:|--:|--:|"]
    for network, precision in dict.fromkeys((row.network, row.precision) for row in rows):
        ours, theirs = (
            next(r for r in rows if (r.network, r.precision, r.kind) == (network, precision, kind))
            for kind in (STROP, PEER)
        )
        times = " | ".join(f"{row.p50_us:,.1f}, {row.least_us:,.1f}" for row in (ours, theirs))
        ratio = ours.least_us / theirs.least_us
        lines.append(f"| {network} | {precision} | {times} | {ratio:.2f} |")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.web",
        description="Time Strop's module for pages and onnxruntime-web under Node.",
    )
    artifact = ROOT / "artifacts" / "mnist-mlp"
    parser.add_argument("--artifact", type=Path, default=artifact, help="the trained MNIST network")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=NETWORKS, help="all of them")
    parser.add_argument("--quick", action="store_true", help="21 turns each instead of 201")
    parser.add_argument("--out", type=Path, default=RESULTS / "web.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
