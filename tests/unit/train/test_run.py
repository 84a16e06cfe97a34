"""Whole trainings on a few digits: same seed, same weights, whatever happens on the way."""

import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train import mnist, pictures
from train.__main__ import main
from train.paths import CHECKOUT

EPOCHS = 24

# Keras's, on each weight it reads with this NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# The command line on the few digits; the real ones would take a minute.
ON_FEW_DIGITS = """
import sys
from train import mnist
from train.__main__ import main
digits = mnist.load()
few = mnist.Mnist(
    digits.train.take(slice(1500)), digits.validation.take(slice(300)), digits.test.take(slice(400))
)
mnist.load = lambda *_, **__: few
sys.exit(main(sys.argv[1:]))
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


def test_the_same_seed_gives_the_same_weights(
    unbroken: Path, small_file: Path, tmp_path: Path
) -> None:
    assert main(arguments(small_file, tmp_path / "again")) == 0
    assert same(weights(unbroken), weights(tmp_path / "again"))
    assert record(unbroken)["history"] == record(tmp_path / "again")["history"]


def test_another_seed_gives_others(unbroken: Path, small_file: Path, tmp_path: Path) -> None:
    given = arguments(small_file, tmp_path / "other")
    given[given.index("7")] = "8"
    assert main(given) == 0
    assert not same(weights(unbroken), weights(tmp_path / "other"))


def start_and_kill(given: list[str], moment: Callable[[Path], bool], out: Path) -> int:
    """Start the command, kill -9 it at the moment, and say how many epochs it had done."""
    unfinished = out.with_name(f".{out.name}.unfinished")
    process = subprocess.Popen(
        [sys.executable, "-c", ON_FEW_DIGITS, *given],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 120
        while process.poll() is None and not moment(unfinished):
            assert time.monotonic() < deadline
        assert process.poll() is None, (process.stderr and process.stderr.read()) or "finished"
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    assert not out.exists()
    return epochs_done(unfinished)


def epochs_done(unfinished: Path) -> int:
    whole = [path for path in unfinished.glob("epoch-*") if path.suffix != ".partial"]
    return max((int(path.name[-5:]) for path in whole), default=0)


def test_killed_and_resumed_it_ends_with_the_weights_of_an_unbroken_run(
    unbroken: Path, small_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = arguments(small_file, out, "--resume")

    def some_time_after_the_third_epoch(unfinished: Path) -> bool:
        if epochs_done(unfinished) < 3:
            return False
        time.sleep(random.uniform(0, 0.3))  # any moment of an epoch
        return True

    def while_a_checkpoint_is_written(unfinished: Path) -> bool:
        return epochs_done(unfinished) > first and any(unfinished.glob("*.partial"))

    first = start_and_kill(given, some_time_after_the_third_epoch, out)
    second = start_and_kill(given, while_a_checkpoint_is_written, out)
    assert 3 <= first < second < EPOCHS
    assert main(given) == 0
    assert f"continuing after epoch {second} of {EPOCHS}" in capsys.readouterr().out
    assert same(weights(unbroken), weights(out))
    assert record(unbroken)["history"] == record(out)["history"]
    assert sorted(tmp_path.iterdir()) == [out, small_file]


def test_killed_between_the_last_epoch_and_the_artifact_it_still_gets_there(
    unbroken: Path, small_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train import artifact

    class Killed(BaseException): ...

    def dies(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(artifact, "evaluate", dies)
        with pytest.raises(Killed):
            main(arguments(small_file, tmp_path / "out"))
    assert epochs_done(tmp_path / ".out.unfinished") == EPOCHS
    assert not (tmp_path / "out").exists()
    assert main(arguments(small_file, tmp_path / "out", "--resume")) == 0
    assert same(weights(unbroken), weights(tmp_path / "out"))


def test_what_is_finished_is_not_trained_again_on_resume(
    unbroken: Path, small_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = unbroken.stat()
    assert main(arguments(small_file, unbroken, "--resume")) == 0
    assert "finished already" in capsys.readouterr().out
    assert unbroken.stat() == before


def test_a_full_disk_leaves_the_earlier_artifact_and_nothing_half_written(
    unbroken: Path, small_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files stands in for the full disk: writing fails midway just so."""
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


def test_tensorboard_is_told_the_validation_too(small_file: Path, tmp_path: Path) -> None:
    given = arguments(small_file, tmp_path / "out", "--tensorboard", str(tmp_path / "logs"))
    given[given.index(str(EPOCHS))] = "2"
    assert main(given) == 0
    assert list((tmp_path / "logs" / "validation").glob("events.*"))
