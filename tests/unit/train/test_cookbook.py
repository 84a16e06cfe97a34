"""Recipes: the shipped ones parse, and invalid ones are refused."""

import json
import re
from pathlib import Path

import pytest

from train import cookbook
from train.errors import RecipeError

VALID = """
name = "mine"
artifact = "my-mlp"
summary = "a test"
[schedule]
epochs = 10
batch_size = 64
[optimizer]
name = "adamw"
learning_rate = 1
warmup_epochs = 2
average_epochs = 4
[augmentation]
rotation = 0.1
"""


@pytest.mark.parametrize("name", ["edge", "notebook", "best"])
def test_every_recipe_has_the_notebooks_network(name: str) -> None:
    recipe = cookbook.load(name)
    assert recipe.name == name
    assert recipe.network.hidden == (50, 50)
    assert recipe.network.head == ("sigmoid" if name == "notebook" else "softmax")


def test_recipes_go_to_folders_of_their_own() -> None:
    artifacts = {name: cookbook.load(name).artifact for name in cookbook.names()}
    assert artifacts == {
        "edge": "mnist-mlp",
        "notebook": "mnist-mlp-notebook",
        "best": "mnist-mlp-best",
    }


def test_a_recipe_can_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(VALID, encoding="utf-8")
    recipe = cookbook.load(str(path))
    assert recipe.schedule.batch_size == 64
    assert isinstance(recipe.optimizer.learning_rate, float)  # TOML said 1


@pytest.mark.parametrize("name", ["edge", "best"])
def test_values_survive_json(name: str) -> None:
    values = cookbook.load(name).values()
    assert json.loads(json.dumps(values)) == values


def test_fewer_epochs_shorten_all_that_is_told_in_epochs() -> None:
    recipe = cookbook.parse(VALID, "mine").with_epochs(5)
    assert recipe.schedule.epochs == 5
    assert recipe.optimizer.warmup_epochs == 1
    assert recipe.optimizer.average_epochs == 2


def test_fewer_epochs_shorten_a_distillation_too(distilled_text: str) -> None:
    distilled = cookbook.parse(distilled_text, "distilled")
    shorter, shortest = distilled.with_epochs(4).distillation, distilled.with_epochs(1).distillation
    assert distilled.with_epochs(6) == distilled
    assert shorter is not None
    assert (shorter.copies, shorter.teacher.schedule.epochs) == (3, 2)
    assert shorter.teacher.optimizer.warmup_epochs == pytest.approx(2 / 3)
    assert shortest is not None
    assert (shortest.copies, shortest.teacher.schedule.epochs) == (1, 1)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("copies = 3", "copies = 0", "distillation.copies is 0"),
        ("temperature = 2", "temperature = 0", "distillation.temperature is 0.0"),
        ("copies = 3", "copys = 3", "unknown key distillation.copys"),
        ("filters = [2, 2, 4]", "filters = []", "distillation.teacher.filters is ()"),
        ("filters = [2, 2, 4]", "", "distillation.teacher.filters is missing"),
        ("temperature = 2", "temperature = true", "temperature is True; it must be a number"),
        ("normalization = true", "normalization = 1", "normalization is 1; it must be true or"),
        ("normalization = true", 'normalization = true\nhead = "sigmoid"', "softmax, for a dist"),
        ("[distillation]", "[loss]\nlabel_smoothing = 0.1\n[distillation]", "0, for a distill"),
    ],
)
def test_a_distillation_that_does_not_fit_is_refused(
    distilled_text: str, before: str, after: str, said: str
) -> None:
    assert before in distilled_text
    with pytest.raises(RecipeError, match=re.escape(said)):
        cookbook.parse(distilled_text.replace(before, after, 1), "distilled")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "mine"', 'name = "mine"\ncolour = "red"', "unknown key colour"),
        ("epochs = 10", "epochs = 10\nepoch = 3", "unknown key schedule.epoch"),
        ("batch_size = 64", "", "schedule.batch_size is missing"),
        ("[schedule]", "[shedule]", "unknown key shedule"),
        ("epochs = 10", "epochs = 0", "schedule.epochs is 0"),
        ("epochs = 10", "epochs = true", "schedule.epochs is True"),
        ("epochs = 10", "epochs = 1.5", "a whole number"),
        ("epochs = 10", 'epochs = "10"', "a whole number"),
        ("learning_rate = 1", "learning_rate = nan", "learning_rate is nan"),
        ("learning_rate = 1", "learning_rate = -1", "learning_rate is -1.0"),
        ('"adamw"', '"sgd"', "adam or adamw"),
        ('"adamw"', '"adam"', "adamw, if"),
        ("rotation = 0.1", "rotation = inf", "augmentation.rotation is inf"),
        ("[schedule]", "[network]\nhidden = [0]\n[schedule]", "network.hidden"),
        ("[schedule]", "[network]\nhidden = 50\n[schedule]", "a list"),
        ("[schedule]", "loss = 3\n[schedule]", "it must be a table"),
        ('"my-mlp"', '"../my-mlp"', "artifact is '../my-mlp'"),
        ('"my-mlp"', '""', "artifact is ''"),
        ('"my-mlp"', '"my', "recipe mine:"),  # not TOML at all
    ],
)
def test_what_does_not_fit_is_refused_by_name(before: str, after: str, said: str) -> None:
    assert before in VALID
    with pytest.raises(RecipeError, match="recipe mine: ") as refusal:
        cookbook.parse(VALID.replace(before, after), "mine")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="best, edge, notebook"):
        cookbook.load("egde")


def test_a_recipe_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        cookbook.load(str(tmp_path / "none.toml"))
