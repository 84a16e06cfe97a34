"""Measure how often `strop drift` is wrong, on the test set and on spoilt copies of it.

    python -m tools.drift_tables                       # the tables, as Markdown
    python -m tools.drift_tables --picture             # docs/pictures/drift.png again

The bundle and the test set are those of `make export`. docs/decisions/0058-drift.md has the tables.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import strop
from strop.bundle.counts import Counts
from strop.bundle.file import Bundle
from strop.bundle.manifest import Histogram
from strop.bundle.open import open_bundle
from strop.diagnostics import drift_picture
from strop.diagnostics.drift import DRIFTED, WATCH, judge
from strop.model.profile import bins, measure_inputs, measure_outputs

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "dist" / "mnist-mlp-cpu.strop"
EVALUATION = ROOT / "artifacts" / "mnist-mlp" / "evaluation.npz"
PICTURE = ROOT / "docs" / "pictures" / "drift.png"

SIZES = (50, 200, 1000, 10_000)  # counted samples
SHOWN = "shifted 3 px right"  # in the picture, with so many samples:
SHOWN_SAMPLES = 1000
AS_THEY_ARE = "the test set"

Images = NDArray[np.uint8]  # (N, 28, 28)
Labels = NDArray[np.int64]  # (N,)
Spoil = Callable[[Images, Labels, np.random.Generator], Images]


def shifted(images: Images, across: int, down: int) -> Images:
    """Move pictures by some pixels; what leaves them is lost, and what comes in is black."""
    moved = np.zeros_like(images)
    height, width = images.shape[1:]
    to = np.s_[:, max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)]
    source = np.s_[
        :, max(0, -down) : height - max(0, down), max(0, -across) : width - max(0, across)
    ]
    moved[to] = images[source]
    return moved


def _any_way(pixels: int) -> Spoil:
    def spoil(images: Images, labels: Labels, random: np.random.Generator) -> Images:
        ways = ((pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels))
        chosen = random.integers(0, len(ways), len(images))
        moved = np.empty_like(images)
        for number, way in enumerate(ways):
            moved[chosen == number] = shifted(images[chosen == number], *way)
        return moved

    return spoil


def _noisy(sigma: float) -> Spoil:
    def spoil(images: Images, labels: Labels, random: np.random.Generator) -> Images:
        noise = random.normal(0, sigma, images.shape)
        return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)

    return spoil


def _shift(across: int, down: int) -> Spoil:
    return lambda images, labels, random: shifted(images, across, down)


SPOILT: dict[str, Spoil] = {
    AS_THEY_ARE: lambda images, labels, random: images,
    "shifted 1 px right": _shift(1, 0),
    "shifted 2 px right": _shift(2, 0),
    "shifted 3 px right": _shift(3, 0),
    "shifted 3 px left": _shift(-3, 0),
    "shifted 3 px up": _shift(0, -3),
    "shifted 3 px down": _shift(0, 3),
    "shifted 4 px right": _shift(4, 0),
    "shifted 3 px, each another way": _any_way(3),
    "shifted 4 px, each another way": _any_way(4),
    "inverted": lambda images, labels, random: 255 - images,
    "noise, sigma 30": _noisy(30),
    "noise, sigma 50": _noisy(50),
    "at 80 % of the light": lambda images, labels, random: (images * 0.8).astype(np.uint8),
    "at 40 % of the light": lambda images, labels, random: (images * 0.4).astype(np.uint8),
    "blank": lambda images, labels, random: np.zeros_like(images),
    "ones and sevens only": lambda images, labels, random: images[np.isin(labels, (1, 7))],
}


class Measured(NamedTuple):
    """The bin of each figure of pictures, to draw samples from without running the model again."""

    bundle: Bundle
    inputs: tuple[tuple[NDArray[np.intp], ...], ...]  # by input and histogram: (N,)
    outputs: tuple[tuple[NDArray[np.intp], ...], ...]

    @property
    def samples(self) -> int:
        """How many pictures there are."""
        return len(self.inputs[0][0])

    def counts(self, chosen: NDArray[np.intp]) -> Counts:
        """Return the counts that a model has after these pictures."""
        manifest = self.bundle.manifest
        return Counts(
            schema=1,
            bundle=self.bundle.digest,
            name=manifest.name,
            model_version=manifest.model_version,
            engine="native",
            precision="int8",
            every=1,
            calls=len(chosen),
            samples=len(chosen),
            since="2026-11-28T00:00:00Z",
            until="2026-11-28T00:00:00Z",
            inputs=_drawn(manifest.inputs, self.inputs, chosen),
            outputs=_drawn(manifest.outputs, self.outputs, chosen),
        )


def _drawn(
    specs: Sequence[Any], found: Sequence[Sequence[NDArray[np.intp]]], chosen: NDArray[np.intp]
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    return tuple(
        tuple(
            tuple(np.bincount(places[chosen], minlength=len(one.counts)).tolist())
            for one, places in zip(spec.profile, columns, strict=True)
        )
        for spec, columns in zip(specs, found, strict=True)
    )


def measure(bundle: Bundle, model: strop.Model, images: Images) -> Measured:
    """Measure pictures and a model's answers to them, each once."""
    (source,), (output,) = bundle.manifest.inputs, bundle.manifest.outputs
    figures = measure_inputs(images, source), measure_outputs(model.predict(images), output)

    def places(profile: Sequence[Histogram], columns: NDArray[np.float64]) -> Any:
        return tuple(bins(columns[:, i], one.edges) for i, one in enumerate(profile))

    return Measured(
        bundle, (places(source.profile, figures[0]),), (places(output.profile, figures[1]),)
    )


def levels(
    measured: Measured, samples: int, draws: int, random: np.random.Generator
) -> Counter[str]:
    """Count how often each level is found, in draws of so many pictures without repetition."""
    found: Counter[str] = Counter()
    for _ in range(draws if samples < measured.samples else 1):
        chosen = random.permutation(measured.samples)[:samples]
        found[judge(measured.bundle.manifest, measured.counts(chosen)).level] += 1
    return found


def table(bundle: Bundle, images: Images, labels: Labels, draws: int) -> str:
    """Write how often each kind of pictures is found to have drifted, or to be worth a watch."""
    head = ["", *(f"{size:,}" for size in SIZES)]
    rows = [f"| {' | '.join(head)} |", f"|---|{'--:|' * len(SIZES)}"]
    random = np.random.default_rng(0)
    with strop.load(str(BUNDLE)) as model:
        for name, spoil in SPOILT.items():
            measured = measure(bundle, model, spoil(images, labels, random))
            cells = []
            for size in SIZES:
                found = levels(measured, size, draws * (10 if name == AS_THEY_ARE else 1), random)
                total = found.total()
                cells.append(
                    f"{100 * found[DRIFTED] / total:.4g} + {100 * found[WATCH] / total:.4g}"
                )
            rows.append(f"| {name} | {' | '.join(cells)} |")
            print(rows[-1], file=sys.stderr)
    return "\n".join(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status: 0, or 2 if there is no export.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.drift_tables", description=__doc__)
    parser.add_argument("--picture", action="store_true", help="draw docs/pictures/drift.png only")
    parser.add_argument("--draws", type=int, default=200, help="of each size (default 200)")
    arguments = parser.parse_args(argv)
    if not BUNDLE.is_file() or not EVALUATION.is_file():
        print("drift_tables: there is no export; run make export TARGET=cpu", file=sys.stderr)
        return 2
    bundle = open_bundle(str(BUNDLE))
    with np.load(EVALUATION) as content:
        images, labels = content["inputs"], content["labels"]
    if not arguments.picture:
        print("Drifted + watch, in percent of the draws:\n")
        print(table(bundle, images, labels, arguments.draws))
        return 0
    random = np.random.default_rng(0)
    spoilt = SPOILT[SHOWN](images, labels, random)[:SHOWN_SAMPLES]
    with strop.load(str(BUNDLE), count_every=1) as model:
        for image in spoilt:
            model.predict(image)
        counts = model.counts()
    judgement = judge(bundle.manifest, counts)
    with Image.open(BytesIO(drift_picture.png(bundle.manifest, counts, judgement))) as drawn:
        few = drawn.convert("RGB").quantize(method=Image.Quantize.FASTOCTREE)  # colours: 256
        few.save(PICTURE, "PNG", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
