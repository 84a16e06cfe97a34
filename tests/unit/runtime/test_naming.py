"""The answers of `classify`, by the kind of the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import strop
from strop.errors import InputError, StropError
from tests import bundles
from tests.unit.runtime import doubles


def _model(
    outputs: list[dict[str, Any]], answers: list[Any], structure: str = "dict"
) -> strop.Model:
    """A model of 4 x 4 pictures with one constant answer."""
    draft = bundles.image()
    known: dict[str, Any] = {
        "dtype": "float32",
        "range": None,
        "labels": [],
        "logits": False,
        "threshold": None,
    }
    whole = [{**known, "name": spec["kind"], **spec} for spec in outputs]
    variant, golden = draft.variant, draft.content["golden"]
    tensor = {"dtype": "float32", "scale": None, "zero_point": None}
    variant["outputs"] = [{"name": s["name"], "shape": s["shape"], **tensor} for s in whole]
    for refs, name in ((variant["golden"], "golden"), (golden["keras"], "keras")):
        (first,) = refs
        refs[:] = [{**first, "file": f"golden/{name}{i}.npy"} for i in range(len(whole))]
        del draft.files[first["file"]]
        for ref in refs:
            draft.put(ref, b"")
    judged = variant["proofs"][0]["outputs"]
    variant["proofs"][0]["outputs"] = judged * len(whole)
    draft.content |= {"outputs": whole, "structure": structure}
    arrays = tuple(np.array(answer, np.float32) for answer in answers)
    session = Constant(arrays if len(arrays) > 1 else arrays[0])
    return doubles.model(draft, session)


class Constant(doubles.SpySession):
    def __init__(self, answers: Any) -> None:
        super().__init__(lambda samples: 0)
        self._answers = answers

    def run(self, samples: Any) -> Any:
        return self._answers


PIXELS = np.zeros((4, 4), np.uint8)
CLASS = {"kind": "class", "shape": [None, 3], "labels": ["a", "b", "c"]}
BINARY = {"kind": "binary", "shape": [None, 1], "threshold": 0.5}
MANY = {"kind": "multilabel", "shape": [None, 3], "labels": ["a", "b", "c"], "threshold": 0.5}
VALUE = {"kind": "regression", "shape": [None, 2]}


class TestClass:
    def test_nan_names_nothing(self) -> None:
        with pytest.raises(StropError, match="gives NaN for class"):
            _model([CLASS], [[[np.nan, 0.5, 0.25]]], "one").classify(PIXELS)

    def test_the_name_of_an_output_is_text(self) -> None:
        with pytest.raises(InputError, match="has no output"):
            _model([CLASS], [[[0.25, 0.5, 0.25]]], "one").classify(PIXELS, output=np.array([1, 2]))  # type: ignore[arg-type]

    def test_probabilities_are_the_output(self) -> None:
        best = _model([CLASS], [[[0.25, 0.5, 0.25]]], "one").classify(PIXELS)
        assert best[:3] == ("b", 0.5, 1)

    def test_logits_become_probabilities(self) -> None:
        best = _model([{**CLASS, "logits": True}], [[[1000.0, 1001.0, -np.inf]]], "one").classify(
            PIXELS
        )
        assert (best.label, best.class_index) == ("b", 1)
        assert best.probability == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)
        assert best.probabilities.dtype == np.float32
        assert best.probabilities.sum() == pytest.approx(1)

    def test_infinite_logits_are_no_nan(self) -> None:
        best = _model([{**CLASS, "logits": True}], [[[np.inf, 0, 0]]], "one").classify(PIXELS)
        assert best[:3] == ("a", 1.0, 0)


class TestBinary:
    @pytest.mark.parametrize("shape", [[None, 1], [None]])
    @pytest.mark.parametrize(
        ("value", "label", "probability"), [(0.75, "1", 0.75), (0.5, "0", 0.5), (0.25, "0", 0.75)]
    )
    def test_yes_is_above_the_threshold(
        self, shape: list[int | None], value: float, label: str, probability: float
    ) -> None:
        answer = np.full([1 if size is None else size for size in shape], value)
        best = _model([{**BINARY, "shape": shape}], [answer], "one").classify(PIXELS)
        assert best[:3] == (label, probability, int(label))
        np.testing.assert_allclose(best.probabilities, [1 - value, value])

    def test_labels_and_a_threshold_of_its_own(self) -> None:
        spec = {**BINARY, "labels": ["no", "yes"], "threshold": 0.25}
        best = _model([spec], [[[0.3]]], "one").classify(PIXELS)
        assert (best.label, best.probability) == ("yes", pytest.approx(0.3))

    def test_a_threshold_is_of_the_output_as_it_is_also_of_logits(self) -> None:
        spec = {**BINARY, "logits": True, "threshold": 0.0}
        best = _model([spec], [[[-2.0]]], "one").classify(PIXELS)
        assert (best.label, best.probability) == ("0", pytest.approx(1 / (1 + np.exp(-2))))


class TestMultilabel:
    def test_all_above_the_threshold(self) -> None:
        found = _model([MANY], [[[0.6, 0.4, 0.9]]], "one").classify(PIXELS)
        assert isinstance(found, strop.LabelSet)
        assert found.labels == ("a", "c")
        np.testing.assert_allclose(found.probabilities, [0.6, 0.4, 0.9])

    def test_none_and_logits(self) -> None:
        spec = {**MANY, "logits": True, "threshold": 0.0}
        found = _model([spec], [[[-1.0, -2.0, 0.0]]], "one").classify(PIXELS)
        assert found.labels == ()
        assert found.probabilities[2] == 0.5


class TestRefusals:
    @pytest.mark.parametrize(
        ("spec", "says"),
        [
            (VALUE, "output 'regression' is a regression of shape (2)"),
            ({"kind": "raw", "shape": [None]}, "output 'raw' is a raw of shape ()"),
            (
                {"kind": "segmentation", "shape": [None, 2, 2, 1], "threshold": 0.5},
                "output 'segmentation' is a segmentation of shape (2, 2, 1)",
            ),
        ],
    )
    def test_what_names_nothing_says_what_to_use(self, spec: dict[str, Any], says: str) -> None:
        model = _model([spec], [np.zeros([1 if n is None else n for n in spec["shape"]])], "one")
        calls: tuple[tuple[Callable[[Any], Any], Any], ...] = (
            (model.classify, PIXELS),
            (model.prediction, np.zeros(2, np.float32)),
        )
        for call, given in calls:
            with pytest.raises(InputError) as caught:
                call(given)
            assert says in caught.value.problem
            assert caught.value.mend == "use predict"

    def test_another_shape(self) -> None:
        with pytest.raises(InputError, match=r"float32 \(1,\); got float32 \(3,\)"):
            _model([BINARY], [[[0]]], "one").prediction(np.zeros(3, np.float32))


class TestSeveralOutputs:
    @pytest.mark.parametrize("structure", ["list", "dict"])
    def test_the_only_one_that_names_something(self, structure: str) -> None:
        model = _model([VALUE, CLASS], [[[1, 2]], [[0, 0, 1]]], structure)
        assert model.classify(PIXELS).label == "c"
        assert model.classify(PIXELS, output="class").label == "c"
        assert model.prediction(np.array([0, 1, 0], np.float32)).label == "b"

    def test_of_several_one_is_asked_for(self) -> None:
        model = _model([CLASS, MANY], [[[1, 0, 0]], [[1, 1, 0]]])
        assert model.classify(PIXELS, output="class").label == "a"
        assert model.classify(PIXELS, output="multilabel").labels == ("a", "b")
        assert model.prediction(np.ones(3, np.float32), "multilabel").labels == ("a", "b", "c")
        with pytest.raises(InputError, match="2 outputs with classes or labels: class, multilabel"):
            model.classify(PIXELS)
        with pytest.raises(InputError, match="no output 'x'; ask for one of 'class', 'multilabel'"):
            model.classify(PIXELS, output="x")

    def test_none_that_names_anything(self) -> None:
        model = _model([VALUE, {"kind": "raw", "shape": [None, 2]}], [[[1, 2]], [[0, 0]]])
        with pytest.raises(
            InputError, match=r"regression \(regression\), raw \(raw\); use predict"
        ):
            model.classify(PIXELS)
        with pytest.raises(InputError, match="output 'raw' is a raw"):
            model.classify(PIXELS, output="raw")
