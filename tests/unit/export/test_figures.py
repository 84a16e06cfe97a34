"""The figures of each kind, against numbers computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strop_export import figures
from strop_export.figures import compare, decisions
from tests.unit.export.outputs import spec


def array(*rows: object) -> np.ndarray:
    return np.array(rows, np.float32)


class TestClass:
    KERAS = array([0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7])
    OURS = array([0.8, 0.2], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7])

    def test_by_hand(self) -> None:
        found = compare(spec("class", (2,)), self.OURS, self.KERAS, np.array([0, 1, 0, 0]))
        assert found["disagreements"] == 1
        assert found["top1_agreement"] == 0.75
        assert (found["accuracy"], found["keras_accuracy"]) == (0.5, 0.75)
        assert found["max_abs_error"] == pytest.approx(0.2)
        assert "judged_by" not in found

    def test_without_labels_there_is_no_accuracy(self) -> None:
        found = compare(spec("class", (2,)), self.OURS, self.KERAS, None)
        assert (found["accuracy"], found["keras_accuracy"]) == (None, None)

    def test_where_keras_has_one_top_class_the_error_judges(self) -> None:
        keras = array([0.9, 0.1], [0.8, 0.2], [0.7, 0.3])
        found = compare(spec("class", (2,)), keras + np.float32(0.01), keras, None)
        assert found["judged_by"] == "error"
        # of 0.9 0.1 0.8 0.2 0.7 0.3: variance 0.09667, noise 0.0001
        assert found["sqnr_db"] == pytest.approx(10 * math.log10(0.0966667 / 0.0001), abs=0.01)


class TestBinary:
    KERAS = array([0.2], [0.7], [0.9], [0.4])
    OURS = array([0.6], [0.7], [0.9], [0.4])
    LABELS = np.array([0, 1, 1, 1])

    def test_by_hand(self) -> None:
        found = compare(spec("binary", (1,)), self.OURS, self.KERAS, self.LABELS)
        assert (found["disagreements"], found["agreement"]) == (1, 0.75)
        assert (found["accuracy"], found["keras_accuracy"]) == (0.5, 0.75)
        # ours: yes yes yes no; hits 2 of 3 said and 3 true. keras: no yes yes no; 2 of 2 and 3.
        assert (found["f1"], found["keras_f1"]) == (pytest.approx(4 / 6), pytest.approx(4 / 5))
        # pairs of a yes and the one no: ours right 2 of 3, keras 3 of 3
        assert (found["auc"], found["keras_auc"]) == (pytest.approx(2 / 3), 1.0)

    @pytest.mark.parametrize(("threshold", "differ"), [(0.0, 1), (0.5, 2)])
    def test_the_threshold_is_the_output_s(self, threshold: float, differ: int) -> None:
        """Logits are positive above 0, probabilities above 0.5."""
        keras, ours = array([-3], [0.2], [0.3], [2]), array([-2], [-0.2], [0.7], [0.4])
        of = spec("binary", (1,), threshold=threshold)
        assert compare(of, ours, keras, None)["disagreements"] == differ

    def test_an_output_without_an_axis(self) -> None:
        found = compare(spec("binary", ()), self.OURS[:, 0], self.KERAS[:, 0], self.LABELS)
        assert (found["disagreements"], found["auc"]) == (1, pytest.approx(2 / 3))

    def test_where_keras_always_says_no_the_error_judges(self) -> None:
        keras = array([0.1], [0.2], [0.3])
        found = compare(spec("binary", (1,)), keras, keras, None)
        assert (found["judged_by"], found["sqnr_db"]) == ("error", figures.MOST_DB)


class TestMultilabel:
    KERAS = array([0.9, 0.1, 0.6], [0.2, 0.8, 0.7])
    OURS = array([0.9, 0.6, 0.6], [0.2, 0.8, 0.4])
    LABELS = np.array([[1, 0, 1], [0, 1, 1]])

    def test_each_label_counts(self) -> None:
        found = compare(spec("multilabel", (3,)), self.OURS, self.KERAS, self.LABELS)
        assert (found["disagreements"], found["agreement"]) == (2, pytest.approx(4 / 6))
        assert (found["accuracy"], found["keras_accuracy"]) == (pytest.approx(4 / 6), 1.0)
        # ours: 1 1 1, 0 1 0: 3 hits, 4 said, 4 true
        assert (found["f1"], found["keras_f1"]) == (pytest.approx(6 / 8), 1.0)
        # the third column is always yes and has no AUC; the others are in order
        assert (found["auc"], found["keras_auc"]) == (1.0, 1.0)


class TestSegmentation:
    def test_classes_by_pixel(self) -> None:
        ours_classes = np.array([[[0, 1], [2, 2]], [[0, 0], [1, 1]]])
        keras_classes = np.array([[[0, 1], [2, 1]], [[0, 0], [1, 1]]])
        keras, ours = np.eye(3)[keras_classes], np.eye(3)[ours_classes]
        found = compare(spec("segmentation", (2, 2, 3)), ours, keras, keras_classes)
        assert (found["disagreements"], found["agreement"]) == (1, pytest.approx(7 / 8))
        # class 0: 3 of 3; class 1: 3 of 4; class 2: 1 of 2
        assert found["mean_iou"] == pytest.approx((1 + 3 / 4 + 1 / 2) / 3)
        assert found["label_iou"] == pytest.approx((1 + 3 / 4 + 1 / 2) / 3)
        assert found["keras_label_iou"] == 1.0
        assert (found["accuracy"], found["keras_accuracy"]) == (pytest.approx(7 / 8), 1.0)

    def test_one_sigmoid_channel(self) -> None:
        keras = array([[[0.9], [0.1]], [[0.2], [0.8]]], [[[0.3], [0.7]], [[0.6], [0.4]]])
        ours = keras.copy()
        ours[0, 0, 1, 0] = 0.7
        of = spec("segmentation", (2, 2, 1), threshold=0.5)
        assert decisions(of, keras).shape == (2, 2, 2)
        found = compare(of, ours, keras, None)
        assert found["disagreements"] == 1
        # yes: 4 of 5; no: 3 of 4
        assert found["mean_iou"] == pytest.approx((4 / 5 + 3 / 4) / 2)
        assert found["label_iou"] is None


class TestRegression:
    KERAS = array([0, 1000], [1, 1010], [0, 1000], [1, 1010])  # spreads 0.5 and 5
    OURS = array([0.1, 1000.5], [1.1, 1010.5], [0.1, 1000.5], [1.1, 1010.5])

    def test_each_column_by_its_own_spread(self) -> None:
        found = compare(spec("regression", (2,)), self.OURS, self.KERAS, None)
        assert found["rmse_share"] == pytest.approx([0.2, 0.1], rel=0.01)
        assert (found["rmse"], found["r2"], found["keras_r2"]) == (None, None, None)

    def test_against_labels(self) -> None:
        labels = np.array([[0, 1000], [1, 1010], [1, 1000], [0, 1010]], np.float64)
        found = compare(spec("regression", (2,)), self.OURS, self.KERAS, labels)
        assert found["keras_rmse"] == pytest.approx([math.sqrt(0.5), 0])
        assert found["keras_r2"] == pytest.approx([-1, 1])
        # errors 0.1, 0.1, -0.9, 1.1
        assert found["rmse"] == pytest.approx([math.sqrt(2.04 / 4), 0.5], rel=1e-4)
        assert found["r2"][1] == pytest.approx(0.99, rel=1e-4)

    def test_a_column_that_never_varies_is_held_to_its_size(self) -> None:
        keras = array([1.0, 200, 0], [2.0, 200, 0])
        found = compare(spec("regression", (3,)), keras + array(0, 2, 2), keras, None)
        assert found["rmse_share"] == pytest.approx([0, 0.01, 0.01], rel=1e-3)

    def test_what_float32_cannot_tell_apart_is_no_error(self) -> None:
        keras = array([1000.0], [1000.5])
        found = compare(spec("regression", (1,)), keras + np.float32(0.0009), keras, None)
        assert found["rmse_share"] == [0]

    def test_a_column_that_hardly_varies_is_held_to_its_own_spread(self) -> None:
        """Values of 1000 +- 0.04, all answered with 1000."""
        keras = (1000 + 0.04 * np.sin(np.arange(100))).reshape(100, 1)
        found = compare(spec("regression", (1,)), np.full_like(keras, 1000), keras, None)
        assert found["rmse_share"][0] > 0.9


class TestRaw:
    def test_signal_to_noise_of_the_whole(self) -> None:
        keras = array([[1, -1], [1, -1]], [[-1, 1], [-1, 1]])  # variance 1
        ours = keras + np.float32(0.1)  # noise 0.01
        found = compare(spec("raw", (2, 2)), ours, keras, None)
        assert found["sqnr_db"] == pytest.approx(20, abs=1e-4)
        assert found["max_error_share"] == pytest.approx(0.1, rel=1e-5)
        # 8 / sqrt(8 (4 1.1^2 + 4 0.9^2))
        assert found["cosine"] == pytest.approx(8 / math.sqrt(8 * 8.08), rel=1e-5)

    def test_without_noise_the_figure_is_finite(self) -> None:
        keras = array([1, 2], [3, 4])
        assert compare(spec("raw", (2,)), keras, keras, None)["sqnr_db"] == figures.MOST_DB


class TestAuc:
    def test_pairs_in_order(self) -> None:
        """0.9 > 0.5, 0.9 > 0.3, 0.4 > 0.3 of the four pairs."""
        assert figures.auc(array(0.9, 0.4, 0.5, 0.3), np.array([1, 1, 0, 0])) == 0.75

    def test_a_tie_is_half_a_pair(self) -> None:
        assert figures.auc(array(0.5, 0.5), np.array([1, 0])) == 0.5

    def test_there_is_none_of_one_kind_alone(self) -> None:
        assert figures.auc(array(0.5, 0.6), np.array([1, 1])) is None


def test_f1_of_nothing_is_none() -> None:
    nothing = np.zeros(3, np.int64)
    assert figures.f1(nothing, nothing) is None
    assert figures.f1(np.array([1, 0, 1]), np.array([1, 1, 0])) == 0.5


def test_iou_is_the_mean_over_the_classes_that_either_has() -> None:
    assert figures.mean_iou(np.array([0, 0, 5]), np.array([0, 0, 0])) == pytest.approx(
        (2 / 3 + 0) / 2
    )


@pytest.mark.parametrize("kind", ["class", "binary", "multilabel"])
def test_figures_are_plain_numbers(kind: str) -> None:
    import json

    width = 1 if kind == "binary" else 3
    keras = np.random.default_rng(0).random((20, width), np.float32)
    labels = np.zeros((20, 3), int) if kind == "multilabel" else np.zeros(20, int)
    json.dumps(compare(spec(kind, (width,)), keras, keras, labels), allow_nan=False)
