"""The content of a run's results, as in `benchmarks/results/latest.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LATEST = RESULTS / "latest.json"

STROP, PEER = "strop", "peer"
LIMIT = "limit"  # a loop by hand for this network alone, which no app could use

# axis -> the unit of a row's `value`
UNITS = {
    "latency": "us",  # median of one image: raw uint8 to float32 probabilities
    "throughput": "images/s",
    "c_alone": "us",  # median of one image, called from C
    "cold_start": "ms",  # from the start of the process to the first answer
    "memory": "MiB",  # peak of a process with one model
    "device_size": "MiB",  # everything that pip installs, without Python
    "model_size": "kB",
    "export_time": "s",
    "accuracy": "share",  # 0..1 over the whole test set
    "counting": "us",  # what counting adds to a call of one image, on average
    "growth": "us",  # of one call, by layer width and batch
    "convolutions": "us",  # median of one call, by network and batch
}


@dataclass(frozen=True)
class Row:
    """The figures of one subject on one axis; `absent` says why if there are none."""

    subject: str  # "Strop litert int8", "LiteRT set_tensor int8"
    kind: str  # STROP, PEER or LIMIT
    engine: str  # its Strop engine, or the engine of its raw loop; "" for other packages
    precision: str
    axis: str  # a key of UNITS
    batch: int | None = None
    p50_us: float | None = None
    p95_us: float | None = None
    p99_us: float | None = None
    value: float | None = None
    unit: str = ""
    # Raw, in the order of measurement; if there are very many, an evenly spread selection.
    samples_us: tuple[float, ...] = ()
    # cold_start: ms; memory: MiB; model_size, of the files in a bundle, and device_size, of an
    # extension: kB; accuracy: disagreements, max_abs_error; growth: width, macs; counting:
    # us without it, one call of so many, samples counted
    parts: dict[str, float] = field(default_factory=dict)
    absent: str = ""
    network: str = ""  # of convolutions: "LeNet"


@dataclass(frozen=True)
class Ratio:
    """Strop over the same engine's own best raw loop, round by round within one run.

    Strop's own engine is compared with the best peer of all (`benchmarks.ratios`). For throughput
    it is Strop's images per second over the raw loop's, else Strop's time or memory over the raw
    loop's. In a cold start, Python's own start and NumPy's import count the same on both sides
    (benchmarks/cold.py).
    """

    name: str  # "litert int8", "litert int8 p99", "native int8 dense", "best engine"
    engine: str
    axis: str  # "latency", "throughput", "c_alone", "cold_start", "memory" or "convolutions"
    batch: int | None
    median: float
    low: float  # 5th percentile over the rounds
    high: float  # 95th
    difference: float  # median over the rounds, in us an image, ms or MiB
    against: str  # the raw loop's name
    network: str = ""  # of convolutions


@dataclass(frozen=True)
class Results:
    """A whole run."""

    environment: dict[str, Any]
    rows: tuple[Row, ...]
    ratios: tuple[Ratio, ...]

    def write(self, path: Path) -> None:
        """Write all results, or leave the earlier file unchanged.

        Args:
            path: the JSON file.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        content = {
            "environment": self.environment,
            "rows": [asdict(row) for row in self.rows],
            "ratios": [asdict(ratio) for ratio in self.ratios],
        }
        beside.write_text(_lines(content), encoding="utf-8")
        beside.replace(path)


def _lines(content: dict[str, Any]) -> str:
    """Write JSON with one row per line, for readers and for diffs."""
    parts = [f'"environment": {json.dumps(content["environment"], indent=1)}']
    for name in ("rows", "ratios"):
        rows = ",\n".join(json.dumps(row, allow_nan=False) for row in content[name])
        parts.append(f'"{name}": [\n{rows}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def load(path: Path) -> Results:
    """Read results that `Results.write` wrote.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is not JSON.
        TypeError: its rows have other fields.
        KeyError: a part of it is missing.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = (Row(**{**row, "samples_us": tuple(row["samples_us"])}) for row in content["rows"])
    ratios = (Ratio(**ratio) for ratio in content["ratios"])
    return Results(content["environment"], tuple(rows), tuple(ratios))
