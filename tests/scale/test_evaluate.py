"""Evaluation of many digits (STROP_SCALE_IMAGES; 60,000): here, on Ray, killed and gone on."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from pyarrow.parquet import ParquetFile

from tests.conftest import Exported
from tests.figures import Record
from tests.scale.conftest import IMAGES
from tests.scale.digits import Digits
from tests.scale.evaluations import evaluate, figures, kill_when_saved, metrics, ran, saved

pytestmark = pytest.mark.alone

ON = ("local", "ray")
LONG_S = 8.0  # the journal is saved every two seconds
KILLED_AT = 0.25  # of the pieces: nearly half are done when the next ones are saved
MOST_RUINED = 5


class Whole(NamedTuple):
    """One evaluation of all digits here, and one on Ray."""

    out: dict[str, Path]
    wall_s: dict[str, float]


@pytest.fixture(scope="module")
def whole(made: Digits, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    found = Whole({}, {})
    for on in ON:
        out = found.out[on] = tmp_path_factory.mktemp("whole") / on
        began = time.monotonic()
        evaluate(bundle, made.shards, out, "--on", on)
        found.wall_s[on] = time.monotonic() - began
    return found


@pytest.fixture(scope="module")
def long(made: Digits, whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The shards, each under several names: data that take some seconds."""
    folder = tmp_path_factory.mktemp("long")
    times = 1 + int(LONG_S * ran(whole.out["local"])["rows_per_s"] / IMAGES)
    links = {folder / f"{i:04}-{shard.name}": shard for shard in made.shards for i in range(times)}
    for link, shard in links.items():
        os.link(shard, link)
    return sorted(links)


@pytest.fixture(scope="module")
def undisturbed(
    bundle: Path, long: Sequence[Path], tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The metrics of the long data."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    evaluate(bundle, long, out)
    return metrics(out)


def test_here_and_on_ray_the_metrics_are_the_same_bytes(
    whole: Whole, figure: Record, images_per_s: Record
) -> None:
    here, there = (metrics(whole.out[on]) for on in ON)
    for on in ON:
        run = ran(whole.out[on])
        images_per_s(on, run["rows_per_s"])
        images_per_s(f"{on}, the whole command", IMAGES / whole.wall_s[on])
    figure("images, evaluated here and on Ray", 2 * IMAGES, 0 if here == there else 2 * IMAGES)
    assert here == there
    assert json.loads(here)["rows"] == {"counted": IMAGES, "set_aside": 0, "files_cut_short": 0}


def test_undistorted_digits_have_the_accuracy_that_was_proven(
    whole: Whole, bundle: Path, edge: Exported
) -> None:
    slices = figures(whole.out["local"])["slices"]["distortion"]
    accuracy = {name: _only(found)["accuracy"] for name, found in slices.items()}
    assert set(accuracy) == {"none", "little", "strong"}
    (proven,) = {
        variant["accuracy"]
        for made in edge.report["bundles"]
        for variant in made["variants"]
        if made["file"] == bundle.name
    }
    assert accuracy["none"] == proven
    assert accuracy["none"] > accuracy["little"] > accuracy["strong"]
    halves = figures(whole.out["local"])["slices"]["half"]
    assert {name: found["samples"] for name, found in halves.items()} == dict.fromkeys(
        ("first", "second"), IMAGES // 2
    )


@pytest.mark.parametrize("on", ON)
def test_a_killed_evaluation_goes_on(
    on: str, bundle: Path, long: Sequence[Path], undisturbed: bytes, figure: Record, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    kill_when_saved(KILLED_AT, bundle, long, out, "--on", on)
    done, rows = saved(out)
    with ruined(long, done):  # it would fail if it read them again
        evaluate(bundle, long, out, "--on", on)
    total = json.loads(undisturbed)["rows"]["counted"]
    same = metrics(out) == undisturbed
    detail = f"killed when {rows:,} were saved"
    figure(f"images, evaluated on {on}, killed and gone on", total, 0 if same else total, detail)
    assert same
    run = ran(out)
    assert (run["rows_of_earlier_runs"], run["rows"]) == (rows, total - rows)
    assert not (out / "journal").exists()


@contextmanager
def ruined(files: Sequence[Path], done: Sequence[int]) -> Iterator[None]:
    """Make row groups that are done unreadable, of some files; nothing else of these changes."""
    pieces = [(file, group) for file in files for group in range(ParquetFile(file).num_row_groups)]
    some = [pieces[i] for i in done[:: 1 + len(done) // MOST_RUINED]]
    assert some
    with ExitStack() as stack:
        for file, group in some:
            kept = file.with_suffix(".kept")
            file.rename(kept)
            stack.callback(kept.replace, file)
            shutil.copy2(kept, file)  # with its time of change
            column = ParquetFile(file).metadata.row_group(group).column(0)
            with file.open("r+b") as content:
                content.seek(column.data_page_offset)
                content.write(bytes(column.total_compressed_size))
            os.utime(file, ns=(kept.stat().st_atime_ns, kept.stat().st_mtime_ns))
        yield


def _only(figures_of_outputs: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    (found,) = figures_of_outputs["outputs"].values()
    return found
