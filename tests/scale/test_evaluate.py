"""Evaluation of many digits (STROP_SCALE_IMAGES; 30,000): here, on Ray, killed and gone on."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from pyarrow.parquet import ParquetFile

import strop
from strop.bundle.manifest import Manifest
from strop.bundle.open import open_bundle
from strop.device.cpu import usable_cores
from strop.model.model import Model
from strop_export.evaluation import sources
from strop_export.evaluation.sources.base import Batch, Data
from strop_export.evaluation.tally import Tally
from tests.conftest import Exported, Tell
from tests.figures import Record
from tests.scale.cluster import running
from tests.scale.conftest import IMAGES
from tests.scale.digits import SLICES, Digits
from tests.scale.evaluations import (
    evaluate,
    figures,
    journal_bytes,
    kill_when_saved,
    metrics,
    ran,
    saved,
)

pytestmark = pytest.mark.alone

ON = ("local", "ray")
LONG_S = 5.0  # of all cores; the journal is saved every two seconds
KILLED_AT = 0.25  # of the pieces: nearly half are done when the next ones are saved
MOST_RUINED = 5
SLACK_BYTES = 64 << 20  # what the memory of two runs may differ by


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """A Ray that runs already."""
    with running(usable_cores()) as variables:
        yield variables


class Whole(NamedTuple):
    """One evaluation of all digits here, and one on the cluster."""

    out: dict[str, Path]
    took_s: dict[str, float]
    peak_bytes: dict[str, int]  # of the largest process


@pytest.fixture(scope="module")
def whole(
    made: Digits, bundle: Path, cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Whole:
    found = Whole({}, {}, {})
    for on in ON:
        out = found.out[on] = tmp_path_factory.mktemp("whole") / on
        began = time.monotonic()
        found.peak_bytes[on] = evaluate(bundle, made.shards, out, "--on", on, variables=cluster)
        found.took_s[on] = time.monotonic() - began
    return found


@pytest.fixture(scope="module")
def us_an_image(made: Digits, bundle: Path, tell: Tell) -> dict[str, float]:
    """What one core spends on an image, by part, in microseconds."""
    shard, manifest = str(made.shards[0]), open_bundle(bundle).manifest
    found = sources.plan([shard], manifest, inputs={}, labels={}, slices=SLICES, progress=tell)
    with strop.load(bundle, threads=1) as model:
        runs = [parts_s(model, manifest, found) for _ in range(3)]
    rows = ParquetFile(shard).metadata.num_rows
    best_us = [min(times) / rows * 1e6 for times in zip(*runs, strict=True)]
    return dict(zip(("reading", "the model", "counting"), best_us, strict=True))


@pytest.fixture(scope="module")
def long(
    made: Digits, us_an_image: dict[str, float], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """The shards, each under several names: data that take some seconds."""
    folder = tmp_path_factory.mktemp("long")
    images = LONG_S * usable_cores() / sum(us_an_image.values()) * 1e6
    copies = math.ceil(images / IMAGES)
    links = {folder / f"{i:04}-{shard.name}": shard for shard in made.shards for i in range(copies)}
    for link, shard in links.items():
        os.link(shard, link)
    return sorted(links)


@pytest.fixture(scope="module")
def undisturbed(
    bundle: Path, long: Sequence[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, int]:
    """The metrics of the long data, and the memory of the largest process."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    peak_bytes = evaluate(bundle, long, out)
    return metrics(out), peak_bytes


def test_here_and_on_ray_the_metrics_are_the_same_bytes(
    whole: Whole, made: Digits, figure: Record, measure: Record
) -> None:
    here, there = (metrics(whole.out[on]) for on in ON)
    figure("images, evaluated here and on Ray", 2 * IMAGES, 0 if here == there else 2 * IMAGES)
    measure("images", "in all", IMAGES)
    for on in ON:
        measure("images_per_s", on, round(ran(whole.out[on])["rows_per_s"]))
        measure("seconds", on, round(whole.took_s[on], 1))
    size = sum(shard.stat().st_size for shard in made.shards)
    measure("bytes", "an image", round(size / IMAGES))
    assert here == there
    assert json.loads(here)["rows"] == {"counted": IMAGES, "set_aside": 0, "files_cut_short": 0}


def test_undistorted_digits_have_the_accuracy_that_was_proven(
    whole: Whole, bundle: Path, edge: Exported
) -> None:
    slices = figures(whole.out["local"])["slices"]["distortion"]
    accuracy = {name: _only(found)["accuracy"] for name, found in slices.items()}
    assert set(accuracy) == {"none", "little", "strong"}
    ran_by = json.loads(metrics(whole.out["local"]))["bundle"]
    (proven,) = (
        variant["accuracy"]
        for variant in edge.report["variants"]
        if variant["bundle"] == bundle.name
        and all(variant[name] == ran_by[name] for name in ("engine", "precision", "device"))
    )
    assert accuracy["none"] == proven
    assert accuracy["none"] > accuracy["little"] > accuracy["strong"]
    halves = figures(whole.out["local"])["slices"]["half"]
    assert {name: found["samples"] for name, found in halves.items()} == dict.fromkeys(
        ("first", "second"), IMAGES // 2
    )


@pytest.mark.parametrize("on", ON)
def test_a_killed_evaluation_goes_on(
    on: str,
    bundle: Path,
    cluster: dict[str, str],
    long: Sequence[Path],
    undisturbed: tuple[bytes, int],
    figure: Record,
    measure: Record,
    tmp_path: Path,
) -> None:
    """The one that is killed starts a Ray of its own; the other one finds a cluster."""
    out = tmp_path / "out"
    kill_when_saved(KILLED_AT, bundle, long, out, "--on", on)
    done, rows = saved(out)
    measure("bytes", "journal", journal_bytes(out))
    with ruined(long, done):  # it would fail if it read them again
        evaluate(bundle, long, out, "--on", on, variables=cluster)
    expected, _ = undisturbed
    total = json.loads(expected)["rows"]["counted"]
    same = metrics(out) == expected
    detail = f"killed when {rows:,} were saved"
    figure(f"images, evaluated on {on}, killed and gone on", total, 0 if same else total, detail)
    assert same
    run = ran(out)
    assert (run["rows_of_earlier_runs"], run["rows"]) == (rows, total - rows)
    assert not (out / "journal").exists()


def test_more_data_take_no_more_memory(
    whole: Whole, undisturbed: tuple[bytes, int], measure: Record
) -> None:
    few, many = whole.peak_bytes["local"], undisturbed[1]
    measure("bytes", "memory", many)
    assert many < few + SLACK_BYTES


def test_where_the_time_goes(us_an_image: dict[str, float], whole: Whole, measure: Record) -> None:
    for name, part_us in us_an_image.items():
        measure("us_an_image", name, round(part_us, 3))
    least_s = sum(us_an_image.values()) * 1e-6 * IMAGES / usable_cores()
    assert least_s < whole.took_s["local"]


def parts_s(model: Model, manifest: Manifest, data: Data) -> list[float]:
    """Evaluate pieces, and return the seconds of reading, of the model and of counting."""
    took_s = [0.0, 0.0, 0.0]
    tally = Tally(manifest.outputs, reference=False, slices=SLICES)
    for unit in data.units:
        pieces = sources.read(unit, data.columns, manifest, batch=1024)
        times = [time.perf_counter()]
        while batch := next(pieces, None):
            assert isinstance(batch, Batch)
            times.append(time.perf_counter())
            answers = model.predict(batch.inputs[0])
            times.append(time.perf_counter())
            tally.add([answers], batch.labels, batch.slices, None)
            times.append(time.perf_counter())
            took_s = [all_s + b - a for all_s, a, b in zip(took_s, times, times[1:], strict=False)]
            times = times[-1:]
    return took_s


@contextmanager
def ruined(files: Sequence[Path], done: Sequence[int]) -> Iterator[None]:
    """Make row groups that are done unreadable, in some files; nothing else of these changes."""
    pieces = [(file, group) for file in files for group in range(ParquetFile(file).num_row_groups)]
    groups: dict[Path, list[int]] = {}
    for number in done:
        file, group = pieces[number]
        groups.setdefault(file, []).append(group)
    some = list(groups)[:: 1 + len(groups) // MOST_RUINED]
    assert some
    with ExitStack() as stack:
        for file in some:
            kept = file.with_suffix(".kept")
            file.rename(kept)
            stack.callback(kept.replace, file)
            shutil.copy2(kept, file)
            for group in groups[file]:
                column = ParquetFile(file).metadata.row_group(group).column(0)
                with file.open("r+b") as content:
                    content.seek(column.data_page_offset)
                    content.write(bytes(column.total_compressed_size))
            os.utime(file, ns=(kept.stat().st_atime_ns, kept.stat().st_mtime_ns))
        yield


def _only(figures_of_outputs: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    (found,) = figures_of_outputs["outputs"].values()
    return found
