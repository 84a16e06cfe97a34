"""Fixtures of the training tests: small parts of the real digits, and a recipe for them."""

from pathlib import Path

import pytest

from train import mnist
from train.cookbook import parse
from train.recipe import Recipe

SMALL = """
name = "small"
artifact = "small-mlp"
summary = "everything the real ones have, in a second"

[schedule]
epochs = 6
batch_size = 100

[optimizer]
name = "adamw"
learning_rate = 0.003
weight_decay = 0.0001
warmup_epochs = 1
average_epochs = 1

[augmentation]
rotation = 0.2
scale = 0.1
shear = 0.1
shift = 1.5
"""

DISTILLED = f"""{SMALL}
elastic = 0.5

[network]
batch_normalization = true

[distillation]
temperature = 2
copies = 3

[distillation.teacher]
filters = [2, 2, 4]

[distillation.teacher.schedule]
epochs = 3
batch_size = 100

[distillation.teacher.optimizer]
name = "adamw"
learning_rate = 0.004
warmup_epochs = 1

[distillation.teacher.augmentation]
rotation = 0.2
elastic = 0.5
"""


@pytest.fixture(scope="session")
def digits() -> mnist.Mnist:
    """All of MNIST, fetched if this checkout does not have it."""
    return mnist.load()


@pytest.fixture(scope="session")
def few_digits(digits: mnist.Mnist) -> mnist.Mnist:
    """A few digits of each part: 1,500, 300 and 400."""
    return mnist.Mnist(
        digits.train.take(slice(1500)),
        digits.validation.take(slice(300)),
        digits.test.take(slice(400)),
    )


@pytest.fixture(scope="session")
def small_text() -> str:
    return SMALL


@pytest.fixture(scope="session")
def distilled_text() -> str:
    return DISTILLED


@pytest.fixture
def distilled(distilled_text: str) -> Recipe:
    return parse(distilled_text, "distilled")


@pytest.fixture
def small(small_text: str) -> Recipe:
    return parse(small_text, "small")


@pytest.fixture
def small_file(tmp_path: Path, small_text: str) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(small_text, encoding="utf-8")
    return path
