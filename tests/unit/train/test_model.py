"""The network in training and when finished: the same function; and the loss of a distillation."""

from typing import Any

import numpy as np
import pytest

from train import backend, mnist
from train.recipe import Network

# Keras's warning for each weight that it reads with this NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    backend.start(0)


def random_weights(model: Any) -> None:
    """Set random weights; a variance is positive."""
    generator = np.random.default_rng(1)
    weights = [generator.uniform(0.1, 1.0, weight.shape) - 0.05 for weight in model.get_weights()]
    model.set_weights(weights)


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("normalized", [False, True])
def test_the_finished_model_is_plain_and_computes_what_was_trained(
    few_digits: mnist.Mnist, normalized: bool
) -> None:
    import keras

    from train import model

    network = Network(hidden=(20, 30), batch_normalization=normalized)
    training = model.build_for_training(network, 1, logits=True)
    random_weights(training)
    finished = model.finish(network, training)
    images = few_digits.test.images[:100].astype(np.float32)
    wanted = softmax(np.asarray(training(images, training=False)))
    assert np.asarray(finished(images)) == pytest.approx(wanted, abs=1e-5)
    assert wanted.std() > 0.01  # the comparison is not of constants
    kinds = {type(layer) for layer in finished.layers}
    assert kinds == {keras.layers.Rescaling, keras.layers.Flatten, keras.layers.Dense}


def test_a_seed_sets_the_weights_whatever_was_built_before() -> None:
    from train import model, teacher
    from train.recipe import Optimizer, Schedule, Teacher

    def weights() -> list[Any]:
        return list(model.build_for_training(Network(), 3, logits=True).get_weights())

    first = weights()
    teacher.build(Teacher((2,), Schedule(1, 10), Optimizer("adam", 0.1)), 3)
    assert all(np.array_equal(a, b) for a, b in zip(first, weights(), strict=True))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_loss_of_a_distillation_is_the_divergence_of_softened_answers(
    temperature: float,
) -> None:
    from train.fit import Distance

    generator = np.random.default_rng(2)
    teacher, student = generator.normal(size=(2, 5, 10)).astype(np.float32) * 3
    wanted, given = softmax(teacher / temperature), softmax(student / temperature)
    expected = (wanted * np.log(wanted / given)).sum(axis=1).mean() * temperature**2
    loss = Distance(temperature)
    assert float(loss(teacher, student)) == pytest.approx(expected, rel=1e-4)
    assert float(loss(teacher, teacher + 7)) == pytest.approx(0, abs=1e-5)
