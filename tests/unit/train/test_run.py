"""Complete trainings on a few digits: the same seed gives the same weights, even if interrupted."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train import backend, mnist, pictures
from train.__main__ import main
from train.display import Display
from train.paths import CHECKOUT

EPOCHS = 8

# Keras's warning for each weight that it reads with this NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# The command line on the few digits (the real ones would take a minute), once for each moment, in a
# process that is killed -9 there. A moment is a method of Path, called on a path: a rename is done,
# a file half written, and then comes the signal. TensorFlow takes seconds to import, so it is
# imported before the processes are forked; it has started nothing, not even a thread, by then.
KILLED_AT_MOMENTS = """
import json, os, signal, sys
from pathlib import Path
import keras
from train import artifact, fit, mnist
from train.__main__ import main

moments, unfinished, *arguments = sys.argv[1:]
digits = mnist.load()
few = mnist.Mnist(
    digits.train.take(slice(1500)), digits.validation.take(slice(300)), digits.test.take(slice(400))
)
mnist.load = lambda *_, **__: few

def train_until(method, place):
    original = getattr(Path, method)

    def deadly(path, given, **options):
        if not path.as_posix().endswith(place):
            return original(path, given, **options)
        original(path, given if method == "rename" else given[: len(given) // 2], **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(Path, method, deadly)
    os.dup2(2, 1)  # what it says is for people
    sys.exit(main(arguments))

left = []
for method, place in json.loads(moments):
    process = os.fork() or train_until(method, place)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    left.append([status, sorted(os.listdir(unfinished))])
print(json.dumps(left))
"""


@pytest.fixture(scope="module", autouse=True)
def _on_few_digits(few_digits: mnist.Mnist) -> Iterator[None]:
    """Few digits and no pictures: these tests are about weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "load", lambda *_, **__: few_digits)
        for name in ("learning_curves", "confusion_matrix", "worst_mistakes"):
            patch.setattr(pictures, name, lambda *_: None)
        yield


@pytest.fixture(scope="module")
def unbroken(
    tmp_path_factory: pytest.TempPathFactory, small_text: str, _on_few_digits: None
) -> Path:
    """The artifact of a training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("unbroken")
    recipe = folder / "small.toml"
    recipe.write_text(small_text, encoding="utf-8")
    assert main(arguments(recipe, folder / "out")) == 0
    return folder / "out"


def arguments(recipe: Path, out: Path, *more: str) -> list[str]:
    given = ["--recipe", str(recipe), "--seed", "7", "--epochs", str(EPOCHS)]
    return [*given, "--out", str(out), *more]


def weights(artifact: Path) -> list[Any]:
    import keras

    return list(keras.models.load_model(artifact / "model.keras", compile=False).get_weights())


def same(left: list[Any], right: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def record(artifact: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((artifact / "training.json").read_text(encoding="utf-8"))
    return read


def test_the_same_seed_gives_the_same_weights_watched_by_tensorboard_or_not(
    unbroken: Path, small_file: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    assert main(arguments(small_file, tmp_path / "again", "--tensorboard", str(logs))) == 0
    assert same(weights(unbroken), weights(tmp_path / "again"))
    assert record(unbroken)["history"] == record(tmp_path / "again")["history"]
    assert list((logs / "validation").glob("events.*"))


def test_another_seed_gives_others(unbroken: Path, small_file: Path, tmp_path: Path) -> None:
    given = arguments(small_file, tmp_path / "other")
    given[given.index("7")] = "8"
    assert main(given) == 0
    assert not same(weights(unbroken), weights(tmp_path / "other"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_at(moments: list[tuple[str, str]], out: Path, given: list[str]) -> list[Any]:
    """Train once for each moment, killed there.

    Returns:
        Each session's status and the names that it left in the folder of the unfinished training.
    """
    command = [sys.executable, "-c", KILLED_AT_MOMENTS, json.dumps(moments)]
    sessions = subprocess.run(
        [*command, str(out.with_name(f".{out.name}.unfinished")), *given],
        cwd=CHECKOUT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert sessions.returncode == 0, sessions.stderr
    left: list[Any] = json.loads(sessions.stdout)
    assert [status for status, _ in left] == [-signal.SIGKILL] * len(moments), sessions.stderr
    return [found for _, found in left]


def test_killed_and_resumed_it_ends_with_the_weights_of_an_unbroken_run(
    unbroken: Path, small_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = arguments(small_file, out, "--resume")
    moments = [
        # Between a checkpoint's two files: the weights are there, the history is cut short.
        ("write_text", "epoch-00003.partial/history.json"),
        # A checkpoint has its name, and the one before it is not yet removed.
        ("rename", "epoch-00005.partial"),
        # All is trained, and the artifact half written.
        ("write_bytes", ".out.writing/evaluation.npz"),
    ]
    assert killed_at(moments, out, given) == [
        ["epoch-00002", "epoch-00003.partial", "lock", "run.json"],
        ["epoch-00004", "epoch-00005", "lock", "run.json"],
        ["epoch-00008", "lock", "run.json"],
    ]
    assert names(tmp_path / ".out.writing") == ["calibration.npz", "evaluation.npz", "model.keras"]
    assert not out.exists()

    assert main(given) == 0
    assert "continuing after epoch 8 of 8" in capsys.readouterr().out
    assert same(weights(unbroken), weights(out))
    assert record(unbroken)["history"] == record(out)["history"]
    assert names(tmp_path) == ["out", "small.toml"]


def test_a_distillation_killed_and_resumed_ends_with_the_weights_of_an_unbroken_run(
    tmp_path: Path, distilled_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "distilled.toml"
    recipe.write_text(distilled_text, encoding="utf-8")
    assert main(arguments(recipe, tmp_path / "unbroken")) == 0
    said = capsys.readouterr().out
    assert "small, seed 7, teacher: epoch 4/4, validation" in said
    assert "small, seed 7, copies: copy 3/3, done" in said

    out = tmp_path / "out"
    given = arguments(recipe, out, "--resume")
    moments = [
        # The teacher has learned for two epochs; the checkpoint of the third is cut short.
        ("write_text", "teacher/epoch-00003.partial/history.json"),
        # The small network has learned for two epochs.
        ("rename", "unfinished/epoch-00002.partial"),
    ]
    assert killed_at(moments, out, given) == [
        ["lock", "run.json", "teacher"],
        ["copies", "epoch-00001", "epoch-00002", "lock", "run.json", "teacher"],
    ]
    assert main(given) == 0
    assert "continuing after epoch 2 of 8" in capsys.readouterr().out
    assert same(weights(tmp_path / "unbroken"), weights(out))
    assert record(tmp_path / "unbroken")["history"] == record(out)["history"]
    assert record(out)["parameters"] == 42_310
    assert names(tmp_path) == ["distilled.toml", "out", "unbroken"]


def test_what_is_finished_is_not_trained_again_on_resume(
    unbroken: Path, small_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = unbroken.stat()
    assert main(arguments(small_file, unbroken, "--resume")) == 0
    assert "finished already" in capsys.readouterr().out
    assert unbroken.stat() == before


@pytest.mark.parametrize("platform", [{}, {"devices": ["CPU"]}, {"device": "another GPU"}])
def test_what_is_finished_is_so_whatever_device_it_was_trained_on(
    unbroken: Path,
    small_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    platform: dict[str, Any],
) -> None:
    out = tmp_path / "out"
    shutil.copytree(unbroken, out)
    (out / "training.json").write_text(json.dumps({**record(unbroken), "platform": platform}))
    assert main(arguments(small_file, out, "--resume")) == 0
    assert "finished already" in capsys.readouterr().out


def test_the_device_is_said_recorded_and_kept_to(
    small_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    given = arguments(small_file, tmp_path / "out", "--epochs", "2", "--resume")
    monkeypatch.setattr(backend, "device", lambda: "NVIDIA T4")
    with monkeypatch.context() as patch:
        patch.setattr(Display, "epoch", stopped)
        assert main(given) == 130
    assert capsys.readouterr().out == "small, seed 7: training on NVIDIA T4\n"

    monkeypatch.setattr(backend, "device", lambda: "CPU")
    assert main(given) == 2
    said = capsys.readouterr().err
    assert "is another one (device is 'NVIDIA T4' there, 'CPU' asked for)" in said
    assert said.count("\n") == 1

    monkeypatch.setattr(backend, "device", lambda: "NVIDIA T4")
    assert main(given) == 0
    assert "small, seed 7: continuing after epoch 1 of 2 on NVIDIA T4\n" in capsys.readouterr().out
    assert record(tmp_path / "out")["platform"]["device"] == "NVIDIA T4"


def test_a_full_disk_leaves_the_earlier_artifact_and_nothing_half_written(
    unbroken: Path, small_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files simulates the full disk: writing fails midway."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "training.json").write_text('{"seed": "earlier"}')
    given = arguments(small_file, out)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        status = main(given)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err
    assert status == 2
    assert said.startswith("train: cannot write ")
    assert said.count("\n") == 1
    assert "File too large" in said
    assert record(out) == {"seed": "earlier"}
    assert [path.name for path in out.iterdir()] == ["training.json"]
    assert not (tmp_path / ".out.writing").exists()
    assert not list((tmp_path / ".out.unfinished").glob("*.partial"))
