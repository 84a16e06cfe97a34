"""The kind of an output: every row of docs/proof.md's table, and its overrides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strop_export.errors import SourceError
from strop_export.source import kinds
from strop_export.source.kinds import Kind
from tests.unit.export.source_kit import chain, dense, keras

layers = keras.layers
WHOLE = np.array([0, 2, 1])
YES = np.array([0, 1, 1])
FLOATS = np.array([0.5, 2.0, 1.0])
BY_PIXEL = np.zeros((3, 6, 6), int)


def conv(filters: int, activation: str | None = None) -> Any:
    return chain((6, 6, 2), layers.Conv2D(filters, 1, activation=activation))


def table(units: int, activation: str | None = None, columns: int = 5) -> Any:
    return chain((columns,), dense(units, activation))


def find(
    model: Any, labels: np.ndarray | None = None, *, named: bool = False, asked: str | None = None
) -> Kind:
    (output,), head = model.outputs, kinds.activation(model.outputs[0])
    return kinds.find(output, model.inputs, labels, head=head, named=named, asked=asked)


@pytest.mark.parametrize(
    ("model", "labels", "kind"),
    [
        (lambda: table(3, "softmax"), None, "class"),
        (lambda: table(3, "softmax"), WHOLE, "class"),
        (lambda: table(3), WHOLE, "class"),
        (lambda: table(3), WHOLE.astype(float), "class"),
        (lambda: table(3, "sigmoid"), WHOLE, "class"),  # one sigmoid a class
        (lambda: table(1, "sigmoid"), None, "binary"),
        (lambda: table(1, "sigmoid"), YES, "binary"),
        (lambda: table(1), YES, "binary"),
        (lambda: table(1), YES.astype(bool), "binary"),
        (lambda: table(1), YES.astype(float), "regression"),  # the labels are floats
        (lambda: table(1), WHOLE, "regression"),
        (lambda: table(3, "sigmoid"), None, "multilabel"),
        (lambda: table(3, "sigmoid"), np.eye(3), "multilabel"),
        (lambda: table(1), None, "regression"),
        (lambda: table(16), None, "regression"),
        (lambda: table(17), None, "raw"),
        (lambda: table(17), np.zeros((3, 17)), "regression"),
        (lambda: table(3, "tanh"), None, "raw"),
        (lambda: table(3), FLOATS[:, None].repeat(3, 1), "regression"),
        (lambda: table(1), FLOATS, "regression"),
        (lambda: table(5), None, "raw"),  # the input's shape: a reconstruction
        (lambda: table(5, "sigmoid"), None, "raw"),
        (lambda: table(1, "sigmoid", columns=1), None, "binary"),
        (lambda: conv(3, "softmax"), None, "segmentation"),
        (lambda: conv(3), BY_PIXEL, "segmentation"),
        (lambda: conv(3), BY_PIXEL[..., None], "segmentation"),
        (lambda: conv(1, "sigmoid"), None, "segmentation"),
        (lambda: chain((6, 6, 1), layers.Conv2D(1, 1, activation="sigmoid")), None, "raw"),
        (lambda: conv(3), None, "raw"),
        (lambda: conv(2, "sigmoid"), None, "raw"),
        (lambda: chain((9, 2), layers.GRU(4, return_sequences=True)), None, "raw"),
        (lambda: chain((9, 2), dense(4, "softmax")), None, "segmentation"),  # each step
    ],
)
def test_the_table(model: Any, labels: np.ndarray | None, kind: str) -> None:
    assert find(model(), labels).kind == kind


def test_names_make_columns_classes_unless_labels_say_otherwise() -> None:
    assert find(table(3), named=True).kind == "class"
    assert find(table(3), np.eye(3), named=True).kind == "class"
    assert find(table(3), FLOATS[:, None].repeat(3, 1), named=True).kind == "regression"
    assert find(table(1), named=True).kind == "regression"


def test_integers_are_raw() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.argmax(dense(3, "softmax")(inputs), axis=-1))
    assert find(model, WHOLE) == Kind("raw", False, None)
    with pytest.raises(SourceError, match="cannot be of kind 'class'"):
        find(model, asked="class")


@pytest.mark.parametrize(
    ("model", "labels", "found"),
    [
        (lambda: table(3, "softmax"), None, Kind("class", False, None)),
        (lambda: table(3), WHOLE, Kind("class", True, None)),
        (lambda: table(3, "sigmoid"), WHOLE, Kind("class", False, None)),
        (lambda: table(1, "sigmoid"), None, Kind("binary", False, 0.5)),
        (lambda: table(1), YES, Kind("binary", True, 0.0)),
        (lambda: table(3, "sigmoid"), None, Kind("multilabel", False, 0.5)),
        (lambda: conv(3, "softmax"), None, Kind("segmentation", False, None)),
        (lambda: conv(3), BY_PIXEL, Kind("segmentation", True, None)),
        (lambda: conv(1, "sigmoid"), None, Kind("segmentation", False, 0.5)),
        (lambda: conv(1), BY_PIXEL, Kind("segmentation", True, 0.0)),
        (lambda: table(1), FLOATS, Kind("regression", False, None)),
        (lambda: table(3, "tanh"), None, Kind("raw", False, None)),
    ],
)
def test_logits_and_thresholds(model: Any, labels: Any, found: Kind) -> None:
    assert find(model(), labels) == found


class TestAsked:
    @pytest.mark.parametrize(
        ("model", "kind"),
        [
            (lambda: table(3, "softmax"), "raw"),
            (lambda: table(3, "softmax"), "regression"),
            (lambda: table(3), "class"),
            (lambda: table(1), "binary"),
            (lambda: table(3), "multilabel"),
            (lambda: conv(3), "segmentation"),
        ],
    )
    def test_it_overrules(self, model: Any, kind: str) -> None:
        assert find(model()).kind != kind
        assert find(model(), asked=kind).kind == kind

    @pytest.mark.parametrize(
        ("model", "kind"),
        [
            (lambda: table(1), "class"),
            (lambda: conv(3), "class"),
            (lambda: table(3), "binary"),
            (lambda: conv(1), "binary"),
            (lambda: conv(1), "multilabel"),
            (lambda: table(3), "segmentation"),
        ],
    )
    def test_what_cannot_be_is_refused(self, model: Any, kind: str) -> None:
        said = rf"an output of shape \(N, .*\) cannot be of kind '{kind}'"
        with pytest.raises(SourceError, match=said):
            find(model(), asked=kind)

    def test_an_unknown_kind_is_named(self) -> None:
        with pytest.raises(SourceError, match="no kind 'boxes'; --task takes class, binary"):
            find(table(3), asked="boxes")


def _two_heads() -> Any:
    inputs = keras.Input((4,))
    return keras.Model(inputs, [dense(3)(inputs), dense(2, "softmax")(inputs)])


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (lambda: table(3, "softmax"), "softmax"),
        (lambda: chain((4,), dense(3), layers.Softmax()), "softmax"),
        (lambda: chain((4,), dense(3), layers.Activation("sigmoid")), "sigmoid"),
        (lambda: chain((4,), dense(6, "softmax"), layers.Reshape((2, 3))), "softmax"),
        (lambda: chain((4,), dense(3, "softmax"), layers.Dropout(0.1)), "softmax"),
        (lambda: chain((4,), chain((4,), dense(3, "softmax"))), "softmax"),  # a model inside
        (lambda: table(3), "linear"),
        (lambda: chain((4,), layers.BatchNormalization()), ""),
    ],
)
def test_the_activation_is_found(model: Any, name: str) -> None:
    assert kinds.activation(model().outputs[0]) == name


def test_of_a_model_inside_it_is_that_of_the_right_output() -> None:
    inputs, inner = keras.Input((4,)), _two_heads()
    plain, probable = inner(inputs)
    assert kinds.activation(plain) == "linear"
    assert kinds.activation(probable) == "softmax"


class TestHeads:
    """For a custom class, which has no known activation, the answers decide."""

    OTHER = chain((4,), layers.BatchNormalization()).outputs[0]
    SUMS = np.array([[0.2, 0.8], [0.5, 0.5], [1, 0]], np.float32)
    SHARES = np.array([[0.2], [0.5], [0.9]], np.float32)

    @pytest.mark.parametrize(
        ("answers", "labels", "found"),
        [
            (SUMS, None, "softmax"),
            (SUMS * 0.9, None, ""),
            (SUMS * 2 - 1, None, ""),
            (SHARES, YES, "sigmoid"),
            (SHARES, None, ""),
            (SHARES, FLOATS, ""),
            (SHARES * 3, YES, ""),
            (SUMS * 0.9, np.array([[0, 1], [1, 1], [0, 0]]), "sigmoid"),
            (np.array([0, 1, 1]), YES, ""),
        ],
    )
    def test_by_their_looks(self, answers: np.ndarray, labels: Any, found: str) -> None:
        assert kinds.head(self.OTHER, answers, labels) == found

    def test_a_layer_that_says_is_believed(self) -> None:
        assert kinds.head(table(2).outputs[0], self.SUMS, None) == "linear"


def test_that_of_an_operation() -> None:
    inputs = keras.Input((4,))
    assert kinds.activation(keras.ops.softmax(dense(3)(inputs))) == "softmax"
    assert kinds.activation(keras.ops.sigmoid(dense(3)(inputs))) == "sigmoid"
