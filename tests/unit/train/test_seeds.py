"""Several seeds: each by its own command, one report for all recipes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from train import seeds
from train.errors import TrainError, UsageError
from train.recipe import Recipe

TEST = {1: 0.98, 2: 0.99, 3: 0.97}


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The executed commands; each writes the training.json of its seed. Seed 13 fails."""
    run: list[list[str]] = []

    def fake(command: list[str], **_: Any) -> Any:
        run.append(command)
        seed = int(command[command.index("--seed") + 1])
        out = Path(command[command.index("--out") + 1])
        out.mkdir(parents=True, exist_ok=True)
        record = {
            "seed": seed,
            "accuracy": {"train": 0.99, "validation": 0.98, "test": TEST.get(seed, 0.5)},
            "seconds": 100.0 + seed,
            "parameters": 42310,
            "versions": {"keras": "3"},
            "platform": {"cores": 2},
        }
        (out / "training.json").write_text(json.dumps(record), encoding="utf-8")
        return subprocess.CompletedProcess(command, 2 if seed == 13 else 0)

    monkeypatch.setattr(subprocess, "run", fake)
    return run


def test_each_seed_is_trained_and_reported(
    tmp_path: Path, small: Recipe, commands: list[list[str]]
) -> None:
    report = seeds.train_all(small, [1, 2, 3], tmp_path, ["--recipe", "small"])
    assert report == tmp_path / "seeds.json"
    said = json.loads(report.read_text())["small"]
    assert [seed["seed"] for seed in said["seeds"]] == [1, 2, 3]
    assert [seed["test_accuracy"] for seed in said["seeds"]] == [0.98, 0.99, 0.97]
    assert said["mean_test_accuracy"] == 0.98
    assert said["mean_validation_accuracy"] == 0.98
    assert said["mean_seconds"] == 102
    assert [command[1:5] for command in commands] == [["-m", "train", "--recipe", "small"]] * 3
    assert len({command[-1] for command in commands}) == 3


def test_what_other_recipes_reported_stays(
    tmp_path: Path, small: Recipe, commands: list[list[str]]
) -> None:
    (tmp_path / "seeds.json").write_text('{"edge": {"mean_test_accuracy": 0.9885}}')
    seeds.train_all(small, [2], tmp_path, [])
    seeds.train_all(small, [1], tmp_path, [])
    said = json.loads((tmp_path / "seeds.json").read_text())
    assert said["edge"] == {"mean_test_accuracy": 0.9885}
    assert [seed["seed"] for seed in said["small"]["seeds"]] == [1]
    assert len(commands) == 2


def test_a_seed_that_fails_leaves_the_report_alone(
    tmp_path: Path, small: Recipe, commands: list[list[str]]
) -> None:
    (tmp_path / "seeds.json").write_text("{}")
    with pytest.raises(TrainError, match="seed 13 was not trained"):
        seeds.train_all(small, [1, 13, 2], tmp_path, [])
    assert (tmp_path / "seeds.json").read_text() == "{}"
    assert len(commands) == 2


@pytest.mark.parametrize("text", ["", " ", "1,,2", "1,x", "1;2", "-1", "1.5", "1,2,1", "1,²"])
def test_what_is_not_a_list_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        seeds.parse_seeds(text)


def test_seeds_are_whole_numbers_within_bounds() -> None:
    assert seeds.parse_seeds("1, 2,30") == [1, 2, 30]
    assert seeds.parse_seed("1000000000") == 1_000_000_000
    with pytest.raises(UsageError, match="1000000001"):
        seeds.parse_seed("1000000001")
