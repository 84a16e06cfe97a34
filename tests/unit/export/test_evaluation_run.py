"""An evaluation from its request to its files: here, killed, gone on, refused."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

import strop
from strop.errors import InputError
from strop_export.errors import EvaluationError
from strop_export.evaluation import journal, on_local
from strop_export.evaluation.evaluating import evaluate
from strop_export.evaluation.results import Evaluation
from tests.bundles import image

ROWS, GROUP, SHARDS = 400, 50, 3


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image().write(tmp_path_factory.mktemp("bundle") / "shapes-cpu.strop")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(5)
    for number in range(SHARDS):
        images = random.integers(0, 256, (ROWS, 4, 4)).astype(np.uint8)
        write(folder / f"{number}.parquet", images, random.integers(0, 3, ROWS))
    return folder


def write(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> None:
    columns = {
        "image": pa.array([one.tobytes() for one in images], pa.binary()),
        "label": pa.array(labels),
        "half": pa.array(
            ["first" if i < len(labels) / 2 else "second" for i in range(len(labels))]
        ),
    }
    parquet.write_table(pa.table(columns), path, row_group_size=GROUP)


def run(bundle: Path, shards: Path, out: Path, **options: Any) -> Evaluation:
    return evaluate(bundle, str(shards / "*.parquet"), out=out, say=quiet, **options)


def metrics(found: Evaluation) -> bytes:
    return (found.folder / "metrics.json").read_bytes()


def test_the_figures_are_those_of_the_model(bundle: Path, shards: Path, tmp_path: Path) -> None:
    found = run(bundle, shards, tmp_path / "out", workers=1, slices=["half"])
    tables = [parquet.read_table(path) for path in sorted(shards.glob("*.parquet"))]
    images = np.concatenate(
        [
            np.frombuffer(b"".join(t["image"].to_pylist()), np.uint8).reshape(-1, 4, 4)
            for t in tables
        ]
    )
    labels = np.concatenate([t["label"].to_numpy() for t in tables])
    with strop.load(bundle) as model:
        right = model.predict(images).argmax(1) == labels
    figures = found.metrics["figures"]
    assert figures["outputs"]["probabilities"]["accuracy"] == right.mean()
    half = np.tile(np.arange(ROWS) < ROWS / 2, SHARDS)
    by_half = figures["slices"]["half"]
    assert by_half["first"]["outputs"]["probabilities"]["accuracy"] == right[half].mean()
    assert found.metrics["rows"] == {
        "counted": ROWS * SHARDS,
        "set_aside": 0,
        "files_cut_short": 0,
    }
    assert found.is_complete(0.0)
    for name in ("run.json", "bad-rows.jsonl", "report.md", "evaluation.png"):
        assert (found.folder / name).exists()
    assert not (found.folder / "journal").exists()


def test_workers_change_no_byte(bundle: Path, shards: Path, tmp_path: Path) -> None:
    one = run(bundle, shards, tmp_path / "one", workers=1, reference=bundle)
    two = run(bundle, shards, tmp_path / "two", workers=2, reference=bundle)
    assert metrics(one) == metrics(two)
    assert (two.run["workers"], two.run["on"]) == (2, "local")


def test_it_is_done_once(bundle: Path, shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(bundle, shards, out, workers=1)
    when = (out / "metrics.json").stat().st_mtime_ns
    assert run(bundle, shards, out, workers=2) == first
    assert (out / "metrics.json").stat().st_mtime_ns == when
    run(bundle, shards, out, workers=1, restart=True)
    assert (out / "metrics.json").stat().st_mtime_ns != when
    other = run(bundle, shards, out, workers=1, batch=7)  # another request: it replaces the files
    assert other.metrics["batch"] == 7
    found, before = (each.metrics["figures"]["outputs"]["probabilities"] for each in (other, first))
    # On some CPUs NumPy's products differ in the last bits from batch to batch.
    assert (found["samples"], found["accuracy"]) == (before["samples"], before["accuracy"])


class Stop(Exception):
    """Raised by a test in the middle of an evaluation."""


@pytest.mark.parametrize("stop_at", [1, 7, 23])
def test_it_goes_on_where_it_was_stopped(
    stop_at: int, bundle: Path, shards: Path, tmp_path: Path
) -> None:
    def show(status: Any) -> None:
        if status.units_done == stop_at:
            raise Stop

    out = tmp_path / "out"
    with pytest.raises(Stop):
        run(bundle, shards, out, workers=1, show=show)
    state = json.loads((out / "journal" / "state.json").read_bytes())
    assert int(state["done"], 16).bit_count() == stop_at
    assert not (out / "metrics.json").exists()
    found = run(bundle, shards, out, workers=1)
    whole = run(bundle, shards, tmp_path / "whole", workers=1)
    assert metrics(found) == metrics(whole)
    assert found.run["rows_of_earlier_runs"] == stop_at * GROUP
    assert found.run["rows"] == ROWS * SHARDS - stop_at * GROUP


def test_a_stopped_one_is_not_mixed_with_another(
    bundle: Path, shards: Path, tmp_path: Path
) -> None:
    def show(_: Any) -> None:
        raise Stop

    out = tmp_path / "out"
    with pytest.raises(Stop):
        run(bundle, shards, out, workers=1, show=show)
    with pytest.raises(EvaluationError) as refused:
        run(bundle, shards, out, workers=1, slices=["half"])
    assert "--restart" in refused.value.mend
    found = run(bundle, shards, out, workers=1, slices=["half"], restart=True)
    assert found.metrics["rows"]["counted"] == ROWS * SHARDS


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 2}', b"\xff"])
def test_a_damaged_journal_is_refused(
    content: bytes, bundle: Path, shards: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "journal").mkdir(parents=True)
    (out / "journal" / "state.json").write_bytes(content)
    with pytest.raises(EvaluationError) as refused:
        run(bundle, shards, out, workers=1)
    assert refused.value.mend == journal.RESTART


def test_a_count_that_changed_on_the_disk_is_found(
    bundle: Path, shards: Path, tmp_path: Path
) -> None:
    def show(status: Any) -> None:
        if status.units_done == 3:
            raise Stop

    out = tmp_path / "out"
    with pytest.raises(Stop):
        run(bundle, shards, out, workers=1, show=show)
    state = out / "journal" / "state.json"
    content = state.read_bytes()
    assert b'"rows": 150' in content
    state.write_bytes(content.replace(b'"rows": 150', b'"rows": 151'))
    with pytest.raises(EvaluationError) as refused:
        run(bundle, shards, out, workers=1)
    assert refused.value.mend == journal.RESTART
    state.write_bytes(content)
    assert run(bundle, shards, out, workers=1).metrics["rows"]["counted"] == ROWS * SHARDS


def test_data_that_changed_are_not_gone_on_with(bundle: Path, tmp_path: Path) -> None:
    images, labels = np.zeros((200, 4, 4), np.uint8), np.zeros(200, np.int64)
    write(tmp_path / "a.parquet", images, labels)

    def show(_: Any) -> None:
        raise Stop

    with pytest.raises(Stop):
        run(bundle, tmp_path, tmp_path / "out", workers=1, show=show)
    write(tmp_path / "a.parquet", images + np.uint8(1), labels)
    with pytest.raises(EvaluationError) as refused:
        run(bundle, tmp_path, tmp_path / "out", workers=1)
    assert "changed" in refused.value.problem


def test_no_row_at_all_is_no_evaluation(bundle: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", np.zeros((60, 4, 4), np.uint8), np.full(60, 9))
    with pytest.raises(EvaluationError) as refused:
        run(bundle, tmp_path, tmp_path / "out", workers=1)
    assert "60" in refused.value.problem
    assert sum(1 for _ in (tmp_path / "out" / "bad-rows.jsonl").open()) >= 1
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_two_at_once_are_refused(bundle: Path, shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def show(_: Any) -> None:
        with pytest.raises(EvaluationError) as refused:
            run(bundle, shards, out, workers=1)
        assert str(os.getpid()) in refused.value.problem
        raise Stop

    with pytest.raises(Stop):
        run(bundle, shards, out, workers=1, show=show)


@pytest.mark.parametrize(
    "options",
    [
        {"on": "slurm"},
        {"workers": 0},
        {"workers": True},
        {"batch": 0},
        {"batch": 1.5},
        {"labels": {"nothing": "label"}},
        {"inputs": {"nothing": "image"}},
        {"inputs": {"": "image", "image": "other"}},
        {"slices": ["nothing"]},
    ],
)
def test_what_cannot_be_met_is_refused_first(
    options: dict[str, Any], bundle: Path, shards: Path, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError) as refused:
        run(bundle, shards, tmp_path / "out", **options)
    assert refused.value.problem
    assert not (tmp_path / "out").exists()


def test_the_only_one_needs_no_name(bundle: Path, shards: Path, tmp_path: Path) -> None:
    found = run(
        bundle, shards, tmp_path / "out", workers=1, inputs={"": "image"}, labels={"": "label"}
    )
    assert found.metrics["data"]["columns"]["labels"] == ["label"]


def test_what_will_be_replaced_is_said(bundle: Path, shards: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    for batch in (8, 9):
        evaluate(
            bundle, f"{shards}/*.parquet", workers=1, batch=batch, out=tmp_path, say=lines.append
        )
    said = f"{tmp_path}/ has an evaluation, which this one will replace"
    assert lines.count(said) == 1


def test_a_reference_of_another_shape_is_refused(
    bundle: Path, shards: Path, tmp_path: Path
) -> None:
    from tests.bundles import vector

    other = vector().write(tmp_path / "other.strop")
    with pytest.raises(EvaluationError) as refused:
        run(bundle, shards, tmp_path / "out", reference=other)
    assert "inputs" in refused.value.problem


def test_a_sample_that_a_model_refuses_is_set_aside(
    bundle: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sample whose first pixel is below 10 is refused, as one that overflows would be."""
    from strop.model.model import Model

    predict = Model.predict

    def picky(model: Model, inputs: Any) -> Any:
        if (inputs[:, 0, 0] < 10).any():
            raise InputError("it overflows", "")
        return predict(model, inputs)

    monkeypatch.setattr(Model, "predict", picky)
    found = run(bundle, shards, tmp_path / "out", workers=1)
    expected = []
    for path in sorted(shards.glob("*.parquet")):
        rows = parquet.read_table(path)["image"].to_pylist()
        expected += [(str(path), i, 1) for i, row in enumerate(rows) if row[0] < 10]
    lines = (found.folder / "bad-rows.jsonl").read_text("utf-8").splitlines()
    bad = [json.loads(line) for line in lines]
    assert [(line["path"], line["row"], line["count"]) for line in bad] == expected
    assert {line["reason"] for line in bad} == {"it overflows"}
    assert found.metrics["rows"]["counted"] == ROWS * SHARDS - len(expected)
    assert not found.is_complete(0.01)
    assert found.is_complete(0.5)


def test_a_worker_that_dies_is_an_error(
    bundle: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_local, "_begin", _die)
    with pytest.raises(EvaluationError) as refused:
        run(bundle, shards, tmp_path / "out", workers=2)
    assert "died" in refused.value.problem


def _die(_: Any) -> None:
    os._exit(3)


def test_workers_end_with_a_killed_parent(bundle: Path, shards: Path, tmp_path: Path) -> None:
    program = f"""
import multiprocessing, time
from strop_export.evaluation.evaluating import evaluate

def show(_):
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    time.sleep(60)

if __name__ == "__main__":
    data, out = {str(shards / "*.parquet")!r}, {str(tmp_path / "out")!r}
    evaluate({str(bundle)!r}, data, out=out, workers=2, say=None, show=show)
"""
    script = tmp_path / "script.py"
    script.write_text(program, "utf-8")
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    workers = [int(word) for word in process.stdout.readline().split()]
    assert len(workers) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.read()  # its end: the workers, which have it too, are gone
    process.stdout.close()
    end = time.monotonic() + 60
    for worker in workers:
        while not _is_gone(worker):  # files are closed a moment before
            assert time.monotonic() < end
            time.sleep(0.01)


def _is_gone(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_changed_results_are_made_anew(bundle: Path, shards: Path, tmp_path: Path) -> None:
    made = run(bundle, shards, tmp_path, workers=1)
    before = metrics(made)
    for name, damage in (
        ("metrics.json", before.replace(b'"correct": ', b'"correct": 1')),
        ("metrics.json", b"[]"),
        ("both", b"[]"),
        ("run.json", b"{}"),
        ("run.json", b"[" * 100_000),
    ):
        if name == "both":  # run.json names the digest of what is there
            run_json = json.loads((tmp_path / "run.json").read_bytes())
            run_json["metrics_sha256"] = hashlib.sha256(damage).hexdigest()
            (tmp_path / "run.json").write_text(json.dumps(run_json), "ascii")
            name = "metrics.json"
        (tmp_path / name).write_bytes(damage)
        found = run(bundle, shards, tmp_path, workers=1)
        assert found.metrics == made.metrics, (name, damage[:20])
        assert metrics(found) == before
        assert json.loads((tmp_path / "run.json").read_bytes()).keys() == made.run.keys()


@pytest.mark.parametrize("name", ["metrics.json", "run.json", "evaluation.png", "report.md"])
def test_what_cannot_be_written_is_named_and_nothing_counted_is_lost(
    bundle: Path, shards: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(EvaluationError, match=f"cannot write .*{name}"):
        run(bundle, shards, tmp_path, workers=1)
    (tmp_path / name).rmdir()
    said: list[str] = []
    evaluate(bundle, str(shards / "*.parquet"), out=tmp_path, workers=1, say=said.append)
    assert f"going on: {ROWS * SHARDS:,} samples are counted already" in said


def test_a_folder_without_locks_is_refused(
    bundle: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("strop_export.evaluation.evaluating.hold", refuse)
    with pytest.raises(EvaluationError, match=r"cannot write .*\.lock: Permission denied"):
        run(bundle, shards, tmp_path, workers=1)


def test_more_workers_than_pieces_are_not_made(bundle: Path, shards: Path, tmp_path: Path) -> None:
    whole = str(shards / "0.parquet")
    found = evaluate(bundle, whole, out=tmp_path, workers=10**12, say=quiet)
    assert found.run["workers"] == ROWS // GROUP


@pytest.mark.parametrize(
    "change", [{"labels": ["star", "square", "circle"]}, {"kind": "raw", "labels": []}]
)
def test_a_reference_that_means_something_else_is_refused(
    bundle: Path, shards: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    draft = image()
    draft.content["outputs"][0] |= change
    other = draft.write(tmp_path / "other.strop")
    with pytest.raises(EvaluationError, match="other outputs"):
        run(bundle, shards, tmp_path / "out", reference=other, workers=1)


def test_too_little_memory_is_an_error(
    bundle: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("strop_export.evaluation.work._answers", exhaust)
    with pytest.raises(EvaluationError, match="not enough memory"):
        run(bundle, shards, tmp_path, workers=1)


def test_stopped_workers_end_in_the_middle_of_their_pieces(
    bundle: Path, shards: Path, tmp_path: Path
) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from strop_export.evaluation import on_local, work\n"
        "class Slow:\n"
        "    def __init__(self, job): pass\n"
        "    def evaluate(self, number, unit):\n"
        "        Path(sys.argv[1], str(number)).touch()\n"
        "        time.sleep(60 if number else 0)\n"
        "        return work.Outcome(number)\n"
        "on_local.Worker = Slow\n"
        'if __name__ == "__main__":\n'
        "    outcomes = on_local.run(None, [(i, None) for i in range(9)], 2)\n"
        "    next(outcomes)\n"
        "    while len(list(Path(sys.argv[1]).iterdir())) < 3: time.sleep(0.05)\n"
        "    began = time.monotonic()\n"
        "    outcomes.close()\n"
        "    print(time.monotonic() - began)\n"
    )
    path = tmp_path / "slow.py"
    path.write_text(script)
    (tmp_path / "seen").mkdir()
    done = subprocess.run(
        [sys.executable, path, tmp_path / "seen"], capture_output=True, text=True, timeout=55
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 30


def test_workers_that_start_are_not_reached_by_an_interrupt(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from strop_export.evaluation import on_local\n"
        'if __name__ == "__main__":\n'
        "    outcomes = on_local.run(None, [(i, None) for i in range(9)], 2)\n"
        "    try:\n"
        "        next(outcomes)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
        "else:\n"
        "    try:\n"
        "        Path(sys.argv[1]).mkdir()\n"
        "    except FileExistsError:\n"
        "        pass\n"  # the other worker did
        "    else:\n"
        "        os.killpg(0, signal.SIGINT)\n"
        "    time.sleep(2)\n"
    )
    path = tmp_path / "interrupted.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, path, tmp_path / "interrupted"],
        capture_output=True,
        text=True,
        timeout=55,
        start_new_session=True,
    )
    assert (tmp_path / "interrupted").is_dir()
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("source", ["parquet", "folder"])
def test_data_that_change_meanwhile_are_not_published(
    bundle: Path, tmp_path: Path, source: str
) -> None:
    data = tmp_path / "data"
    (data / "star").mkdir(parents=True)
    if source == "parquet":
        file, paths = data / "0.parquet", [str(data / "*.parquet")]
        images = np.random.default_rng(1).integers(0, 256, (100, 4, 4)).astype(np.uint8)
        write(file, images, np.zeros(100, int))
    else:
        file, paths = data / "star" / "0.png", [str(data)]
        pixels = np.random.default_rng(1).integers(0, 256, (9, 9)).astype(np.uint8)
        Image.fromarray(pixels).save(file)
    out = tmp_path / "out"

    def touch(_: object) -> None:
        os.utime(file, ns=(1, 1))

    with pytest.raises(EvaluationError, match=f"{file.name} changed while"):
        evaluate(bundle, paths, out=out, workers=1, say=quiet, show=touch)
    assert not (out / "metrics.json").exists()

    def add(_: object) -> None:
        (file.parent / f"1{file.suffix}").write_bytes(file.read_bytes())

    evaluate(bundle, paths, out=out, workers=1, say=quiet, show=add, restart=True)
    assert (out / "metrics.json").exists()


def test_data_without_rows_are_refused_as_such(bundle: Path, tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", np.zeros((0, 4, 4), np.uint8), np.zeros(0, int))
    with pytest.raises(EvaluationError, match="the data have no rows"):
        run(bundle, tmp_path, tmp_path / "out", workers=1)


def test_a_refused_one_leaves_the_finished_one(bundle: Path, shards: Path, tmp_path: Path) -> None:
    before = run(bundle, shards, tmp_path / "out", workers=1)
    (tmp_path / "none").mkdir()
    write(tmp_path / "none" / "0.parquet", np.empty((0, 4, 4), np.uint8), np.empty(0, np.int64))
    with pytest.raises(EvaluationError, match="the data have no rows"):
        run(bundle, tmp_path / "none", tmp_path / "out", workers=1)
    after = run(bundle, shards, tmp_path / "out", workers=1)
    assert after.run["finished"] == before.run["finished"]


def test_an_empty_path_is_not_the_working_directory(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="a path of the data is empty"):
        evaluate(bundle, "", out=tmp_path / "out", say=quiet)
