"""Checkpoints: complete at every moment, and continued only by the training that wrote them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.checkpoints import Progress
from train.errors import OutputError, UnfinishedRun
from train.journal import Journal

IDENTITY = {
    "recipe": {"name": "small", "schedule": {"epochs": 6}},
    "seed": 1,
    "versions": {"tensorflow": "2.21.0"},
}


class Model:
    """A replacement of Keras's model, whose state is a number."""

    def __init__(self, state: int = 0) -> None:
        self.state = state
        self.optimizer = self
        self.trainable_variables: list[Any] = []
        self.layers: list[Any] = []

    def build(self, variables: list[Any]) -> None: ...

    def save_weights(self, path: Path) -> None:
        path.write_text(f"{self.state} whole", encoding="utf-8")

    def load_weights(self, path: Path) -> None:
        state, whole = path.read_text(encoding="utf-8").split()
        if whole != "whole":
            raise ValueError("cut short")
        self.state = int(state)


def opened(
    artifact: Path, *, resume: bool = False, restart: bool = False
) -> tuple[Journal, Progress]:
    journal = Journal(artifact, IDENTITY)
    return journal, journal.open(resume=resume, restart=restart)


def leave_unfinished(artifact: Path, epochs: int = 3) -> None:
    """A training stopped after ``epochs``."""
    journal, _ = opened(artifact)
    for epoch in range(1, epochs + 1):
        journal.checkpoints.save(
            Model(epoch), Progress(epoch, {"loss": [0.5] * epoch}, 2.0 * epoch)
        )
    journal.close()


def restored(journal: Journal) -> int:
    model = Model()
    journal.checkpoints.restore(model)
    return model.state


def test_progress_comes_back(tmp_path: Path) -> None:
    leave_unfinished(tmp_path / "out")
    journal, done = opened(tmp_path / "out", resume=True)
    assert done == Progress(3, {"loss": [0.5, 0.5, 0.5]}, 6.0)
    assert restored(journal) == 3


def test_one_checkpoint_is_kept(tmp_path: Path) -> None:
    leave_unfinished(tmp_path / "out")
    names = {path.name for path in (tmp_path / ".out.unfinished").iterdir()}
    assert names == {"epoch-00003", "lock", "run.json"}


class Killed(BaseException):
    """The process dies here."""


# Every step of saving that touches the disk, before and after it has happened.
STEPS = ["rmtree", "mkdir", "save_weights", "write_text", "rename"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_of_saving_leaves_one_whole_checkpoint(
    tmp_path: Path, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_unfinished(tmp_path / "out", epochs=3)
    journal, _ = opened(tmp_path / "out", resume=True)
    owner: Any = {"rmtree": shutil, "save_weights": Model}.get(step, Path)
    original = getattr(owner, step)

    def dies(*arguments: Any, **keywords: Any) -> None:
        if after:
            original(*arguments, **keywords)
        # A killed process does not clean up either.
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
        raise Killed

    monkeypatch.setattr(owner, step, dies)
    with pytest.raises(Killed):
        journal.checkpoints.save(Model(4), Progress(4, {"loss": [0.5] * 4}, 8.0))
    monkeypatch.undo()
    journal.close()

    journal, done = opened(tmp_path / "out", resume=True)
    assert done.epoch in (3, 4)
    assert restored(journal) == done.epoch == len(done.history["loss"])
    assert done.epoch == (4 if (step, after) == ("rename", True) else 3)


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_unfinished(tmp_path / "out")
    journal, _ = opened(tmp_path / "out", resume=True)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device, in many words\nand lines")

    monkeypatch.setattr(Model, "save_weights", full)
    with pytest.raises(OutputError, match="No space left on device") as refusal:
        journal.checkpoints.save(Model(4), Progress(4))
    assert "\n" not in str(refusal.value)
    assert restored(journal) == 3
    names = {path.name for path in (tmp_path / ".out.unfinished").iterdir()}
    assert names == {"epoch-00003", "lock", "run.json"}


def test_an_unfinished_training_is_not_trodden_on(tmp_path: Path) -> None:
    leave_unfinished(tmp_path / "out")
    with pytest.raises(UnfinishedRun, match="recipe small, seed 1, 3 epochs done") as refusal:
        opened(tmp_path / "out")
    assert "--resume" in str(refusal.value)
    assert "--restart" in str(refusal.value)


def test_restart_drops_it(tmp_path: Path) -> None:
    leave_unfinished(tmp_path / "out")
    journal, done = opened(tmp_path / "out", restart=True)
    assert done == Progress()
    assert restored(journal) == 0


def test_killed_before_the_first_checkpoint_there_is_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".out.unfinished" / "epoch-00001.partial").mkdir(parents=True)
    (tmp_path / ".out.unfinished" / "run.json").write_text("{", encoding="utf-8")
    assert opened(tmp_path / "out")[1] == Progress()


def test_stopped_before_the_first_checkpoint_it_leaves_nothing(tmp_path: Path) -> None:
    leave_unfinished(tmp_path / "out", epochs=0)
    assert list(tmp_path.iterdir()) == []


def test_resume_with_nothing_there_begins(tmp_path: Path) -> None:
    assert opened(tmp_path / "out", resume=True)[1] == Progress()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({**IDENTITY, "seed": 2}, "seed is 1 there, 2 asked for"),
        (
            {**IDENTITY, "recipe": {"name": "small", "schedule": {"epochs": 7}}},
            "recipe.schedule.epochs is 6 there, 7 asked for",
        ),
        (
            {**IDENTITY, "versions": {"tensorflow": "3.0"}},
            "versions.tensorflow is '2.21.0' there, '3.0' asked for",
        ),
    ],
)
def test_another_training_is_not_continued(
    tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    leave_unfinished(tmp_path / "out")
    journal = Journal(tmp_path / "out", asked)
    with pytest.raises(UnfinishedRun, match=said) as refusal:
        journal.open(resume=True, restart=False)
    journal.close()
    assert "start again with --restart (make train AGAIN=1)" in str(refusal.value)
    assert Journal(tmp_path / "out", asked).open(resume=False, restart=True) == Progress()


def test_a_training_is_continued_only_on_the_device_it_began_on(tmp_path: Path) -> None:
    journal, _ = opened(tmp_path / "out")
    journal.insist_on_device("CPU")
    journal.checkpoints.save(Model(1), Progress(1, {"loss": [0.5]}, 2.0))
    journal.close()

    journal, _ = opened(tmp_path / "out", resume=True)
    with pytest.raises(UnfinishedRun, match="device is 'CPU' there, 'a GPU' asked for"):
        journal.insist_on_device("a GPU")
    journal.close()

    journal, done = opened(tmp_path / "out", resume=True)
    journal.insist_on_device("CPU")
    assert restored(journal) == done.epoch == 1
    journal.close()

    journal, _ = opened(tmp_path / "out", restart=True)
    journal.insist_on_device("a GPU")


def test_a_journal_that_names_no_device_is_not_continued(tmp_path: Path) -> None:
    leave_unfinished(tmp_path / "out")
    journal, _ = opened(tmp_path / "out", resume=True)
    with pytest.raises(UnfinishedRun, match="device is None there, 'CPU' asked for"):
        journal.insist_on_device("CPU")


def test_two_processes_do_not_train_into_one_place(tmp_path: Path) -> None:
    first, _ = opened(tmp_path / "out")
    with pytest.raises(UnfinishedRun, match="another process"):
        opened(tmp_path / "out", restart=True)
    first.close()
    opened(tmp_path / "out")


@pytest.mark.parametrize("name", ["state.weights.h5", "history.json"])
def test_a_checkpoint_damaged_on_disk_is_refused_by_name(tmp_path: Path, name: str) -> None:
    leave_unfinished(tmp_path / "out")
    (tmp_path / ".out.unfinished" / "epoch-00003" / name).write_text("3 cut", encoding="utf-8")
    with pytest.raises(UnfinishedRun, match=r"epoch-00003 cannot be read.*--restart"):
        restored(opened(tmp_path / "out", resume=True)[0])


def test_nothing_is_left_of_a_finished_training(tmp_path: Path) -> None:
    leave_unfinished(tmp_path / "out")
    opened(tmp_path / "out", resume=True)[0].discard()
    assert list(tmp_path.iterdir()) == []


def leave_prepared(artifact: Path, copies: int) -> None:
    """A distillation stopped before the first epoch of the small network."""
    journal, _ = opened(artifact)
    journal.teacher.save(Model(5), Progress(2, {"loss": [0.5, 0.4]}, 30.0))
    for number in range(copies):
        images = np.full((3, 28, 28), number, np.uint8)
        journal.copies.save(number, images, np.zeros((3, 10), np.float32), 40.0 + number)
    journal.close()


@pytest.mark.parametrize(("copies", "seconds"), [(0, 30.0), (2, 41.0)])
def test_a_teacher_and_its_copies_are_part_of_an_unfinished_training(
    tmp_path: Path, copies: int, seconds: float
) -> None:
    leave_prepared(tmp_path / "out", copies)
    with pytest.raises(UnfinishedRun, match="0 epochs done"):
        opened(tmp_path / "out")
    journal, done = opened(tmp_path / "out", resume=True)
    assert done == Progress(seconds=seconds)
    assert journal.teacher.progress() == Progress(2, {"loss": [0.5, 0.4]}, 30.0)
    assert journal.copies.missing(3) == list(range(copies, 3))
    journal.close()

    journal, done = opened(tmp_path / "out", restart=True)
    assert done == Progress()
    assert journal.teacher.latest() is None
    assert journal.copies.missing(3) == [0, 1, 2]


def test_a_copy_that_was_not_completed_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_prepared(tmp_path / "out", 1)
    journal, _ = opened(tmp_path / "out", resume=True)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left on device"):
            journal.copies.save(
                1, np.zeros((3, 28, 28), np.uint8), np.zeros((3, 10), np.float32), 50.0
            )
    assert journal.copies.missing(2) == [1]
    assert [path.name for path in journal.copies.folder.iterdir()] == ["copy-00000"]
