"""Proofs that could not fail are refused; samples of the wrong scale are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export.errors import SourceError
from strop_export.source.vacuous import refuse
from tests.unit.export.outputs import probabilities, spec
from tests.unit.export.source_kit import SAMPLES, chain, dense, floats, keras, pixels, read

layers = keras.layers


def said(of: Any, answers: np.ndarray, labels: np.ndarray | None = None) -> str:
    try:
        refuse([of], [answers], [labels], "m.keras")
    except SourceError as error:
        return str(error)
    return ""


class TestConstants:
    @pytest.mark.parametrize("kind", ["class", "regression", "raw", "multilabel"])
    def test_outputs_that_never_vary_prove_nothing(self, kind: str) -> None:
        constant = np.tile(probabilities(1), (60, 1))
        assert "gives the same outputs for all 60 samples" in said(spec(kind), constant)
        assert not said(spec(kind), probabilities(60))

    def test_each_of_several_counts(self) -> None:
        specs = spec("class", name="a"), spec("raw", name="b")
        answers = probabilities(60), np.ones((60, 4))
        with pytest.raises(SourceError, match="m.keras, output 'b' gives the same outputs"):
            refuse(specs, answers, (None, None), "m.keras")

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_answers_are_finite(self, bad: float) -> None:
        answers = probabilities(60)
        answers[3, 2] = bad
        assert "gives NaN or infinity for the samples" in said(spec("class"), answers)

    def test_so_a_model_whose_outputs_are_constant_is_refused(self, tmp_path: Path) -> None:
        model = chain((4,), dense(3, "softmax", kernel_initializer="zeros"))
        with pytest.raises(SourceError, match="the same outputs for all 50 samples: no comparison"):
            read(tmp_path, model, {"inputs": floats(4)})

    def test_so_are_samples_that_are_all_alike(self, tmp_path: Path) -> None:
        alike = np.repeat(floats(4)[:1], SAMPLES, axis=0)
        given: tuple[Any, ...] = ({"inputs": floats(4)}, {"inputs": alike})
        with pytest.raises(SourceError, match="has 100 samples .* and only 1 different ones"):
            read(tmp_path, chain((4,), dense(3, "softmax")), *given)


class TestChance:
    def test_a_class(self) -> None:
        answers = probabilities(80)
        right = answers.argmax(axis=1)
        assert not said(spec("class"), answers, right)
        found = said(spec("class"), answers, (right + 1) % 4)
        assert "accuracy of 0.0000 on the labels given, not above chance (0.2500)" in found

    @pytest.mark.parametrize("kind", ["binary", "multilabel"])
    def test_a_score(self, kind: str) -> None:
        answers = np.random.default_rng(1).random((80, 1 if kind == "binary" else 3))
        right = np.asarray(answers > 0.5, np.int64)
        right = right[:, 0] if kind == "binary" else right
        assert not said(spec(kind), answers, right)
        assert "AUC of 0.0000 on the labels given, not above chance" in said(
            spec(kind), answers, 1 - right
        )

    def test_without_yes_and_no_there_is_no_chance_to_compare_with(self) -> None:
        answers = np.linspace(0, 1, 60)[:, None]
        assert not said(spec("binary"), answers, np.ones(60, int))


class TestScale:
    """A model trained on 0..1 and given bytes: an error if labels show it, else a note."""

    def model(self, *first: Any) -> Any:
        """A classifier of dark and bright: always right on 0..1, always bright on bytes."""
        head = dense(2, "softmax")
        model = chain((4, 4), *first, layers.Flatten(), layers.Dense(1, trainable=False), head)
        mean = np.full((16, 1), 1 / 16)
        model.set_weights([mean, np.zeros(1), np.array([[-20.0, 20.0]]), np.array([10.0, -10.0])])
        return model

    def samples(self) -> tuple[dict[str, Any], dict[str, Any]]:
        light = np.where(np.arange(SAMPLES) % 2, 150, 20)[:, None, None]
        images = (pixels(4, 4) // 4 + light).astype(np.uint8)
        return {"inputs": images}, {"inputs": images, "labels": np.arange(SAMPLES) % 2}

    def test_labels_tell(self, tmp_path: Path) -> None:
        found = (
            r"input 'image' has bytes, 0..255, and the model needs x / 255: its accuracy is "
            r"0.5000 on bytes and 1.0000 on these; put a keras.layers.Rescaling first"
        )
        with pytest.raises(SourceError, match=found):
            read(tmp_path, self.model(), *self.samples())

    def test_a_model_that_scales_is_asked_nothing(self, tmp_path: Path) -> None:
        model = self.model(layers.Rescaling(1 / 255))
        assert read(tmp_path, model, *self.samples()).notes == ()

    def test_without_labels_it_is_a_note(self, tmp_path: Path) -> None:
        calibration, judging = self.samples()
        del judging["labels"]
        notes = read(tmp_path, chain((4, 4), layers.Flatten(), dense(2)), calibration).notes
        assert "no layer scales them" in notes[0]
        assert all("too few to hold some out" in note for note in notes[1:])

    def test_floats_are_as_the_model_has_them(self, tmp_path: Path) -> None:
        calibration, judging = self.samples()
        calibration["inputs"] = calibration["inputs"].astype(np.float32) / 255
        judging["inputs"] = judging["inputs"].astype(np.float32) / 255
        assert read(tmp_path, self.model(), calibration, judging).notes == ()
