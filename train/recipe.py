"""Recipes, as frozen dataclasses. :mod:`train.cookbook` reads them from TOML.

A recipe is everything a training depends on besides the data and the seed. Its values are written
to ``training.json``, and only the same recipe continues an interrupted training.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from train.errors import RecipeError


def require(holds: bool, key: str, value: Any, need: str) -> None:
    """Raise a ``RecipeError`` unless a condition holds.

    Args:
        holds: the condition.
        key: the name of the value in the recipe.
        value: the value.
        need: the condition, in words.

    Raises:
        RecipeError: naming the key, its value and the condition.
    """
    if not holds:
        raise RecipeError(f"{key} is {value!r}; it must be {need}")


@dataclass(frozen=True)
class Network:
    """The dense stack between ``Flatten`` and the ten classes.

    Attributes:
        hidden: units of each hidden layer.
        head: the activation that turns the last layer into ``probabilities``.
        batch_normalization: normalize each hidden layer during training. The finished model has
            plain dense layers: the normalization is folded into their weights.
    """

    hidden: tuple[int, ...] = (50, 50)
    head: Literal["softmax", "sigmoid"] = "softmax"
    batch_normalization: bool = False

    def __post_init__(self) -> None:
        require(
            0 < len(self.hidden) <= 8 and all(0 < units <= 4096 for units in self.hidden),
            "network.hidden",
            self.hidden,
            "1 to 8 layers of 1 to 4096 units",
        )


@dataclass(frozen=True)
class Schedule:
    """The number of epochs and the batch size.

    Attributes:
        epochs: passes over the 55,000 training images.
        batch_size: images per step; the few left over at the end of an epoch are not used in it.
    """

    epochs: int
    batch_size: int

    def __post_init__(self) -> None:
        require(0 < self.epochs <= 100_000, "schedule.epochs", self.epochs, "1 to 100000")
        require(0 < self.batch_size <= 10_000, "schedule.batch_size", self.batch_size, "1 to 10000")


@dataclass(frozen=True)
class Optimizer:
    """Adam, or AdamW with a linear warm-up and a cosine decay to zero.

    Attributes:
        name: ``adam`` keeps its learning rate; ``adamw`` warms up and decays.
        learning_rate: the highest one.
        weight_decay: decoupled, AdamW only.
        warmup_epochs: epochs from zero to ``learning_rate``, AdamW only.
        average_epochs: the span of a moving average of the weights, in epochs; its momentum is
            1 - 1/n for the n steps in them. The average is then validated and saved. 0 for none.
    """

    name: Literal["adam", "adamw"]
    learning_rate: float
    weight_decay: float = 0.0
    warmup_epochs: float = 0.0
    average_epochs: float = 0.0

    def __post_init__(self) -> None:
        rate = self.learning_rate
        require(0 < rate <= 1, "optimizer.learning_rate", rate, "above 0, at most 1")
        decay = self.weight_decay
        require(0 <= decay <= 1, "optimizer.weight_decay", decay, "0 to 1")
        warm = self.warmup_epochs
        require(warm >= 0, "optimizer.warmup_epochs", warm, "0 or more")
        average = self.average_epochs
        require(average >= 0, "optimizer.average_epochs", average, "0 or more")
        require(
            self.name == "adamw" or not (decay or warm),
            "optimizer.name",
            self.name,
            "adamw, if weight_decay or warmup_epochs is given",
        )

    def scaled(self, share: float) -> "Optimizer":
        """Return this optimizer with its values in epochs multiplied by ``share``."""
        return dataclasses.replace(
            self,
            warmup_epochs=self.warmup_epochs * share,
            average_epochs=self.average_epochs * share,
        )


@dataclass(frozen=True)
class Loss:
    """Cross-entropy.

    Attributes:
        label_smoothing: the share of each label spread over all ten classes.
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        share = self.label_smoothing
        require(0 <= share < 1, "loss.label_smoothing", share, "0 to below 1")


@dataclass(frozen=True)
class Augmentation:
    """Random distortion: an affine map, then a smooth random displacement of the pixels.

    Each affine value is the limit of a uniform range around zero.

    Attributes:
        rotation: radians in either direction.
        scale: the share by which the digit grows or shrinks.
        shear: horizontal, pixels per pixel in either direction.
        shift: pixels in either direction, on both axes.
        elastic: the root mean square of the displacement on each axis, in pixels.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        limits = {"rotation": 3.15, "scale": 0.9, "shear": 2.0, "shift": 14.0, "elastic": 14.0}
        for key, limit in limits.items():
            value = getattr(self, key)
            require(0 <= value <= limit, f"augmentation.{key}", value, f"0 to {limit}")


@dataclass(frozen=True)
class Teacher:
    """A convolutional network that labels images for the smaller network.

    Attributes:
        filters: filters of each 3 x 3 convolution; 2 x 2 max-pooling follows the first, the third
            and so on.
        schedule: its epochs and batch size.
        optimizer: its optimizer.
        augmentation: the distortion of the images that it learns from.
    """

    filters: tuple[int, ...]
    schedule: Schedule
    optimizer: Optimizer
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        require(
            0 < len(self.filters) <= 8 and all(0 < count <= 512 for count in self.filters),
            "distillation.teacher.filters",
            self.filters,
            "1 to 8 layers of 1 to 512 filters",
        )


@dataclass(frozen=True)
class Distillation:
    """Learning a teacher's outputs on distorted images, instead of the labels.

    Attributes:
        temperature: divides the logits of both networks before the softmax.
        copies: distorted copies of the training images; each epoch uses the next one, in turn.
        teacher: the teacher.
    """

    temperature: float
    copies: int
    teacher: Teacher

    def __post_init__(self) -> None:
        heat = self.temperature
        require(0.1 <= heat <= 100, "distillation.temperature", heat, "0.1 to 100")
        require(0 < self.copies <= 1000, "distillation.copies", self.copies, "1 to 1000")


@dataclass(frozen=True)
class Recipe:
    """Everything a training depends on besides the data and the seed.

    Attributes:
        name: its name for ``--recipe``.
        artifact: the name of the trained model, and of its folder under ``artifacts/``.
        summary: one line for people.
    """

    name: str
    artifact: str
    summary: str
    schedule: Schedule
    optimizer: Optimizer
    network: Network = Network()
    loss: Loss = Loss()
    augmentation: Augmentation = Augmentation()
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        for key in ("name", "artifact"):
            value = getattr(self, key)
            plain = value.replace("-", "").replace("_", "")
            require(
                plain.isascii() and plain.isalnum() and value[0].isalnum() and len(value) <= 64,
                key,
                value,
                "letters, digits, - and _",
            )

        if self.distillation is not None:
            head, smoothing = self.network.head, self.loss.label_smoothing
            require(head == "softmax", "network.head", head, "softmax, for a distillation")
            require(smoothing == 0, "loss.label_smoothing", smoothing, "0, for a distillation")

    def with_epochs(self, epochs: int) -> "Recipe":
        """Return this recipe with another number of epochs.

        Other values in epochs (warm-up, averaging, the teacher's) change in proportion.

        Args:
            epochs: 1 or more.
        """
        share = epochs / self.schedule.epochs
        changed = dataclasses.replace(
            self,
            schedule=dataclasses.replace(self.schedule, epochs=epochs),
            optimizer=self.optimizer.scaled(share),
        )
        if self.distillation is None:
            return changed
        teacher = self.distillation.teacher
        taught = max(1, round(teacher.schedule.epochs * share))
        teacher = dataclasses.replace(
            teacher,
            schedule=dataclasses.replace(teacher.schedule, epochs=taught),
            optimizer=teacher.optimizer.scaled(share),
        )
        copies = min(self.distillation.copies, epochs)
        return dataclasses.replace(
            changed,
            distillation=dataclasses.replace(self.distillation, copies=copies, teacher=teacher),
        )

    def values(self) -> dict[str, Any]:
        """Return all values, as plain JSON values."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values
