"""Manifests, data files and whole reads of them, for the tests of an evaluation's sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from strop.bundle.manifest import Manifest
from strop.bundle.schema import parse
from strop_export.evaluation.sources import BadRows, Batch, Data, Unit, plan, read
from tests.unit.runtime import manifests
from tests.unit.runtime.manifests import output as output
from tests.unit.runtime.manifests import step as step

LABELS = ["circle", "square", "star"]
PICTURE = {"mode": "L", "steps": [step("resize", width=4, height=4)]}


def source(
    name: str = "image", shape: Sequence[int] = (4, 4), dtype: str = "uint8", **changes: Any
) -> dict[str, Any]:
    """An input; it takes no pictures unless `picture` says how."""
    rest: dict[str, Any] = {"range": None, "statistics": [], "picture": None}
    return {"name": name, "shape": [None, *shape], "dtype": dtype, **rest, **changes}


def made(inputs: Sequence[Any] = (), outputs: Sequence[Any] = ()) -> Manifest:
    """A manifest; without any, of 4 x 4 grey pictures of three classes."""
    content = manifests._manifest(
        "shapes",
        list(inputs) or [source(picture=PICTURE)],
        list(outputs) or [output("class", [None, 3], labels=LABELS)],
        "one" if len(outputs) < 2 else "list",
    )
    return parse(manifests.write(content))


def pixels(count: int, seed: int = 0) -> np.ndarray:
    """Samples, uint8 (count, 4, 4); the first pixel starts no picture file."""
    found = np.random.default_rng(seed).integers(0, 256, (count, 4, 4), np.uint8)
    found[:, 0, 0] = 7
    return found


def table(count: int = 10) -> dict[str, Any]:
    """Columns of raw samples and labels."""
    images = pa.array([each.tobytes() for each in pixels(count)], pa.binary())
    return {"image": images, "label": pa.array(np.arange(count) % 3)}


def write(path: Path, columns: Any, **options: Any) -> str:
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def planned(paths: str | Path | Sequence[str], manifest: Manifest, **options: Any) -> Data:
    """Plan, with the usual columns unless options say otherwise."""
    several = [str(paths)] if isinstance(paths, str | Path) else paths
    given = {"inputs": {}, "labels": {}, "slices": [], "progress": lambda _: None}
    return plan(several, manifest, **{**given, **options})


class Whole(NamedTuple):
    """All that the units of some data gave."""

    inputs: list[np.ndarray]
    labels: list[Any]  # an array for each output, or None
    slices: dict[str, list[str]]
    bad: list[BadRows]


def whole(data: Data, manifest: Manifest, batch: int = 4) -> Whole:
    """Read all units; each row of one is in a batch or set aside, and never both."""
    batches: list[Batch] = []
    bad: list[BadRows] = []
    for unit in data.units:
        found, wrong = apart(unit, data, manifest, batch)
        batches += found
        bad += wrong
    inputs = [np.concatenate(each) for each in zip(*(b.inputs for b in batches), strict=True)]
    labels = [
        None if each[0] is None else np.concatenate(each)
        for each in zip(*(b.labels for b in batches), strict=True)
    ]
    slices = {
        name: [text for b in batches for text in b.slices[name]] for name in data.columns.slices
    }
    return Whole(inputs, labels, slices, bad)


def apart(
    unit: Unit, data: Data, manifest: Manifest, batch: int = 4
) -> tuple[list[Batch], list[BadRows]]:
    """Read one unit; check that its rows add up, and that sizes and dtypes are as promised."""
    batches: list[Batch] = []
    bad: list[BadRows] = []
    for each in read(unit, data.columns, manifest, batch=batch):
        if isinstance(each, BadRows):
            bad.append(each)
            continue
        batches.append(each)
        (count,) = {len(array) for array in each.inputs}
        assert 0 < count <= batch
        for array, spec in zip(each.inputs, manifest.inputs, strict=True):
            assert array.shape == (count, *spec.shape[1:])
            assert array.dtype == spec.dtype
            assert array.flags.aligned
        assert all(labels is None or len(labels) == count for labels in each.labels)
        assert all(len(texts) == count for texts in each.slices.values())
    rows = [row for each in bad for row in range(each.row, each.row + (each.count or 0))]
    assert len(set(rows)) == len(rows)
    if unit.rows is not None:
        assert sum(len(b.inputs[0]) for b in batches) + len(rows) == unit.rows
        assert all(unit.first_row <= row < unit.first_row + unit.rows for row in rows)
    assert all(each.reason.isprintable() and len(each.reason) <= 300 for each in bad)
    return batches, bad
