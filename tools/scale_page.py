"""Write the figures in docs/scale.md from benchmarks/results/scale.json.

`make test-scale` writes dist/scale.json. `python -m tools.scale_page --take` takes it from there,
with the machine's facts, and writes the page; without --take, from what was taken before.

In the page, each block from `<!-- from scale.json: NAME -->` to `<!-- end -->` is made here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from strop.device.cpu import this_cpu, usable_cores

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scale.md"
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"
FOUND = ROOT / "dist" / "scale.json"

MANY: Final = 100_000_000
WORKERS: Final = 60  # of examples/kuberay.yaml

_BLOCK = re.compile(r"(<!-- from scale\.json: (\w+) -->\n).*?(<!-- end -->)", re.S)
_PIXELS: Final = 28 * 28
_PER_GB: Final = 0.09  # US dollars: an example of what a cloud takes for data that leave a region


class Photo(NamedTuple):
    """A model of photographs: MobileNetV2, 224 x 224, on LiteRT, one thread.

    Measured once on the machine of the table: the model, and Pillow's decoding of a JPEG of
    500 x 375 pixels.
    """

    model_ms: float = 6.9
    int8_ms: float = 3.2
    decoding_ms: float = 2.1
    bytes: int = 67_000

    @property
    def core_ms(self) -> float:
        """One sample, on one core."""
        return self.model_ms + self.decoding_ms


PHOTO: Final = Photo()


def page(text: str, results: dict[str, Any]) -> str:
    """Return the page with its blocks made from results.

    Args:
        text: the page as it is.
        results: what scale.json holds.

    Raises:
        KeyError: a block has a name that no function here has, or the results lack something.
    """
    made = {"measured": _measured, "digits": _digits, "photos": _photos}
    return _BLOCK.sub(lambda block: f"{block[1]}\n{made[block[2]](results)}\n\n{block[3]}", text)


def _measured(results: dict[str, Any]) -> str:
    machine, per_s = results["machine"], results["images_per_s"]
    took, parts = results["seconds"], results["us_an_image"]
    rows = [
        ("images", f"{results['images']['in all']:,}"),
        ("here", f"{per_s['local']:,.0f} a second"),
        ("on Ray, on the same machine", f"{per_s['ray']:,.0f} a second"),
        ("the whole command, here", f"{took['local']:.1f} s"),
        ("the whole command, on a Ray that runs", f"{took['ray']:.1f} s"),
        *((f"one image, one core: {name}", f"{us:.2f} us") for name, us in parts.items()),
        ("one image in its file", f"{results['bytes']['an image']:,.0f} bytes"),
        ("memory of the largest process", f"{results['bytes']['memory'] / 2**20:,.0f} MiB"),
        ("the journal", f"{results['bytes']['journal']:,.0f} bytes"),
    ]
    head = f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}:\n\n"
    return head + "\n".join(
        ["| what | measured |", "|---|--:|", *(f"| {name} | {value} |" for name, value in rows)]
    )


def _digits(results: dict[str, Any]) -> str:
    per_core = _per_core(results)
    size = results["bytes"]["an image"]
    core_s = MANY / per_core
    together_s = core_s / WORKERS
    rows = [
        ("in their files", f"{MANY:,} x {size:,.0f} bytes", _bytes(MANY * size)),
        ("unpacked", f"{MANY:,} x {_PIXELS} bytes", _bytes(MANY * _PIXELS)),
        ("work", f"{MANY:,} / {per_core:,.0f} a second and core", f"{core_s:,.0f} core seconds"),
        ("on one machine of 16 cores", f"{core_s:,.0f} s / 16", _time(core_s / 16)),
        (f"on {WORKERS} workers", f"{core_s:,.0f} s / {WORKERS}", _time(together_s)),
        (
            f"network, {WORKERS} workers",
            f"{_bytes(MANY * size)} / {together_s:,.1f} s",
            _bits(MANY * size / together_s),
        ),
        _egress(MANY * size),
    ]
    return _table(rows)


def _photos(_: dict[str, Any]) -> str:
    core_h = MANY * PHOTO.core_ms / 1e3 / 3600
    together_s = core_h * 3600 / WORKERS
    total = MANY * PHOTO.bytes
    rows = [
        ("in their files", f"{MANY:,} x {PHOTO.bytes / 1e3:.0f} kB", _bytes(total)),
        (
            "work",
            f"{MANY:,} x ({PHOTO.model_ms} + {PHOTO.decoding_ms}) ms",
            f"{core_h:,.0f} core hours",
        ),
        ("on one machine of 16 cores", f"{core_h:,.0f} h / 16", _time(core_h * 3600 / 16)),
        (f"on {WORKERS} workers", f"{core_h:,.0f} h / {WORKERS}", _time(together_s)),
        (f"on {10 * WORKERS} workers", f"{core_h:,.0f} h / {10 * WORKERS}", _time(together_s / 10)),
        (
            f"network, {10 * WORKERS} workers",
            f"{_bytes(total)} / {together_s / 10:,.0f} s",
            _bits(total / together_s * 10),
        ),
        _egress(total),
    ]
    return _table(rows)


def _per_core(results: dict[str, Any]) -> float:
    """Images a second that a core evaluates."""
    per_s: float = results["images_per_s"]["local"] / results["machine"]["cores"]
    return per_s


def _egress(count: float) -> tuple[str, str, str]:
    dollars = f"{count / 1e9 * _PER_GB:,.0f} $"
    return "if they leave their region", f"{_bytes(count)} x {_PER_GB} $ a GB", dollars


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    lines = (f"| {name} | {sum_} | {value} |" for name, sum_, value in rows)
    return "\n".join(["| what | sum | result |", "|---|---|--:|", *lines])


def _bytes(count: float) -> str:
    unit, name = next(pair for pair in ((1e12, "TB"), (1e9, "GB"), (1.0, "B")) if count >= pair[0])
    return f"{count / unit:,.1f} {name}"


def _bits(per_s: float) -> str:
    """Bytes a second, as networks count."""
    return f"{per_s * 8 / 1e9:,.1f} Gbit/s"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:,.1f} hours"


def _taken() -> dict[str, Any]:
    """Return what `make test-scale` found, with facts about this machine."""
    found: dict[str, Any] = json.loads(FOUND.read_bytes())
    failed = [figure["name"] for figure in found["figures"] if figure["failed"]]
    if failed:
        sys.exit(f"{FOUND.name} has failures: {', '.join(failed)}")
    found["machine"] = {
        "cpu": this_cpu().model,
        "cores": usable_cores(),
        "date": time.strftime("%Y-%m-%d", time.gmtime(FOUND.stat().st_mtime)),
    }
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.scale_page", description=__doc__)
    parser.add_argument("--take", action="store_true", help="take dist/scale.json as the results")
    if parser.parse_args(argv).take:
        RESULTS.write_text(json.dumps(_taken(), indent=2) + "\n", encoding="utf-8")
    results = json.loads(RESULTS.read_bytes())
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
