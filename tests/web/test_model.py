"""The model of a page: the bits, rules and words of the Python runtime."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from strop.bundle.file import parse_bundle
from strop.bundle.manifest import InputSpec, OutputSpec
from strop.diagnostics.check import check
from strop_export.formats.plan import Plan, Step, Tensor
from tests import bundles
from tests.contract import plan_referee, plan_sample
from tests.web import plans
from tests.web.conftest import Use

pytest.importorskip("strop_native")

Array = NDArray[Any]
PIXELS = np.arange(0, 256, 16, dtype=np.uint8)


def opened(draft: bundles.Draft, tmp_path: Path) -> strop.Model:
    return strop.load(draft.write(tmp_path / "python.strop"), engine="native")


class TestBits:
    def test_one_sample_and_many_equal_the_native_engine(self, use: Use, tmp_path: Path) -> None:
        images = np.random.default_rng(1).integers(0, 256, (200, 4, 4)).astype(np.uint8)
        draft = plans.classifier()
        one, many = use(draft, ["predict", images[0]], ["predict", images, 200])
        with opened(draft, tmp_path) as model:
            wanted = model.predict(images)

        assert (one.dtype, many.dtype) == (np.float32, np.float32)
        assert one.tobytes() == wanted[0].tobytes()
        assert many.tobytes() == wanted.tobytes()

    def test_several_inputs_and_outputs_equal_the_referee(self, use: Use) -> None:
        samples = plan_sample.inputs(150)
        draft = plans.several()
        named = dict(zip(("bytes", "Zahlen für später"), samples, strict=True))
        in_order, by_name = use(draft, ["predict", [*samples]], ["predict", named])

        wanted = plan_referee.outputs(plans.pair().to_bytes(), *samples)
        for found in (in_order, by_name):
            assert list(found) == ["shares", "steps", "flat"]
            for mine, theirs in zip(found.values(), wanted, strict=True):
                assert (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes())

    def test_every_operator_equals_the_native_engine_and_the_referee(
        self, use: Use, tmp_path: Path
    ) -> None:
        samples = plan_sample.inputs(150)
        draft = plans.everything()
        checked, found = use(draft, ["check"], ["predict", [*samples]])
        with opened(draft, tmp_path) as model:
            python = model.predict(samples)
        referee = plan_referee.outputs(plan_sample.whole().to_bytes(), *samples)

        assert checked["status"] == "passed"
        assert len(found) == len(referee) == 5
        for name, theirs in zip(found, referee, strict=True):
            assert found[name].tobytes() == theirs.tobytes() == python[name].tobytes()

    def test_a_row_too_large_for_a_tile_of_many_is_run_alone(self, use: Use) -> None:
        size = 2**19
        plan = Plan(
            [
                Tensor("float32", (size,), name="x"),
                Tensor("float32", (size,), name="y"),
            ],
            [Step("relu", (0,), 1)],
            [0],
            [1],
        )
        spec = ("x", (None, size), "float32", None)
        values = plan_sample.floats(np.random.default_rng(2), 6, size)
        draft = plans.draft(
            plan,
            [InputSpec(*spec, ())],
            [OutputSpec("y", *spec[1:], (), "raw", False, None)],
            [values],
            structure="one",
        )
        checked, found = use(draft, ["check"], ["predict", values])

        assert checked["status"] == "passed"
        assert found.tobytes() == np.maximum(values, 0).tobytes()


class TestRules:
    """Inputs that the Python runtime refuses: the same problem, as far as arrays are alike."""

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (PIXELS[:15], "; got 15 values, which is no multiple of 16"),
            (PIXELS[:0], "; got an empty batch"),
            (PIXELS.astype(np.float32), "; got float32"),
            (PIXELS.astype(np.int32), "; got int32"),
            (PIXELS.tolist(), "; got Array"),
            (None, "; got null"),
            ("text", "; got String"),
        ],
    )
    def test_pixels_are_bytes(self, given: Any, problem: str, use: Use, tmp_path: Path) -> None:
        draft = plans.classifier()
        (answer,) = use(draft, ["predict", given])
        with opened(draft, tmp_path) as model, pytest.raises(strop.InputError) as caught:
            model.predict(PIXELS.astype(np.float32).reshape(4, 4))

        takes = caught.value.problem.partition(";")[0]
        assert answer["error"]["kind"] == "input"
        assert answer["error"]["problem"] == takes + problem

    @pytest.mark.parametrize(
        "change",
        [
            lambda pair: pair[:1],
            lambda pair: {"bytes": pair[0]},
            lambda pair: {"bytes": pair[0], "Zahlen für später": pair[1], "more": pair[1]},
            lambda pair: [pair[0], pair[1][:2]],
            lambda pair: [pair[0], pair[1] * np.float32(np.inf)],
            lambda pair: [pair[0], np.where(pair[1] > 0, np.float32(np.nan), pair[1])],
        ],
    )
    def test_several_inputs(self, change: Callable[[Any], Any], use: Use, tmp_path: Path) -> None:
        given = change(list(plan_sample.inputs(3)))
        draft = plans.several()
        (answer,) = use(draft, ["predict", given])
        with opened(draft, tmp_path) as model, pytest.raises(strop.InputError) as caught:
            model.predict(given)

        assert answer["error"]["kind"] == "input"
        assert answer["error"]["problem"] == caught.value.problem

    def test_numbers_in_lists_are_floats(self, use: Use) -> None:
        pixels, numbers = plan_sample.inputs(2)
        given, lists = use(
            plans.several(), ["predict", [pixels, numbers]], ["predict", [pixels, numbers.tolist()]]
        )

        assert given["flat"].tobytes() == lists["flat"].tobytes()

    def test_outputs_that_overflow_are_refused(self, use: Use, tmp_path: Path) -> None:
        pixels, numbers = plan_sample.inputs(1)
        numbers[:] = 3e38
        draft = plans.several()
        (answer,) = use(draft, ["predict", [pixels, numbers]])
        with opened(draft, tmp_path) as model, pytest.raises(strop.InputError) as caught:
            model.predict([pixels, numbers])

        assert answer["error"]["problem"] == caught.value.problem

    def test_a_buffer_of_node_is_bytes(self, use: Use) -> None:
        data = base64.b64encode(PIXELS.tobytes()).decode("ascii")
        own, buffer = use(
            plans.classifier(),
            ["predict", PIXELS],
            ["predict", {"array": "Buffer", "base64": data}],
        )

        assert own.tobytes() == buffer.tobytes()

    def test_n_is_the_number_of_samples(self, use: Use) -> None:
        right, wrong = use(plans.classifier(), ["predict", PIXELS, 1], ["predict", PIXELS, 2])

        assert right.shape == (3,)
        assert wrong["error"]["problem"] == "small: got 1 samples, not n = 2"

    def test_a_closed_model_says_so(self, use: Use) -> None:
        *_, answer = use(plans.classifier(), ["close"], ["close"], ["predict", PIXELS])

        assert answer["error"]["message"] == "model small is closed; load it again"


class TestNames:
    @pytest.mark.parametrize("kind", ["class", "binary", "multilabel"])
    @pytest.mark.parametrize("logits", [True, False])
    def test_an_answer_is_that_of_python(
        self, kind: str, logits: bool, use: Use, tmp_path: Path
    ) -> None:
        labels = ("no", "yes") if kind == "binary" else ("a", "b", "c")
        draft = plans.classifier(kind, logits=logits, labels=labels)
        rows = [PIXELS, PIXELS[::-1].copy(), np.zeros(16, np.uint8)]
        found = use(draft, *(["classify", row] for row in rows))

        with opened(draft, tmp_path) as model:
            for mine, row in zip(found, rows, strict=True):
                wanted = model.classify(row.reshape(4, 4)).to_dict()
                np.testing.assert_allclose(
                    mine.pop("probabilities"), wanted.pop("probabilities"), rtol=1e-6
                )
                if kind != "multilabel":
                    assert mine.pop("classIndex") == wanted.pop("class_index")
                    assert mine.pop("probability") == pytest.approx(wanted.pop("probability"))
                assert mine == {key: _plain(value) for key, value in wanted.items()}

    def test_numbers_stand_for_missing_labels(self, use: Use) -> None:
        assert use(plans.classifier(), ["labels"]) == [["0", "1", "2"]]

    def test_several_samples_or_other_outputs_are_refused(self, use: Use) -> None:
        two, none = use(
            plans.classifier(),
            ["classify", np.concatenate([PIXELS, PIXELS])],
            ["classify", PIXELS, {"output": "other"}],
        )
        (several,) = use(plans.several(), ["classify", [*plan_sample.inputs(1)]])

        assert two["error"]["message"] == "classify takes one sample, got 2; use predict"
        assert none["error"]["message"] == "small has no output 'other'; ask for 'answer'"
        assert several["error"]["problem"].startswith("no output of small has classes or labels")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class TestCheck:
    @pytest.mark.parametrize("make", [plans.classifier, plans.several])
    def test_golden_samples_pass(self, make: Callable[[], bundles.Draft], use: Use) -> None:
        (answer,) = use(make(), ["check"])

        assert answer["status"] == "passed"
        assert answer["maxAbsError"] == 0
        assert answer["samples"] == answer["passed"] == bundles.SAMPLES

    @pytest.mark.parametrize("wrong", [1, 3])
    def test_the_samples_that_pass_are_counted(self, wrong: int, use: Use) -> None:
        draft = plans.classifier()
        golden = draft.variant["golden"][0]
        answers = np.load(io.BytesIO(draft.files[golden["file"]]))
        answers[:wrong, :2] += 1.5 * plans.TOLERANCE
        draft.put(golden, bundles.npy(answers))
        (answer,) = use(draft, ["check"])

        assert answer["status"] == "FAILED"
        assert answer["passed"] == bundles.SAMPLES - wrong

    def test_another_answer_fails_in_the_words_of_python(self, use: Use) -> None:
        draft = plans.classifier()
        golden = draft.variant["golden"][0]
        answers = np.zeros((bundles.SAMPLES, 3), np.float32)
        draft.put(golden, bundles.npy(answers))
        (answer,) = use(draft, ["check"])

        (wanted,) = check(parse_bundle(draft.pack()))
        assert (answer["status"], answer["detail"]) == (wanted.status, wanted.detail)
        assert answer["maxAbsError"] == pytest.approx(wanted.max_abs_error)
        assert answer["kerasAgreement"] == wanted.keras_agreement


class TestVariants:
    """Files for other engines in the page."""

    def test_one_is_read_by_format_and_precision(self, use: Use) -> None:
        draft = plans.classifier()
        files = [
            draft.add_variant("tflite", precision, ["litert"], precision.encode())["file"]
            for precision in ("int8", "float32")
        ]
        first, named = use(
            draft,
            ["readVariant", {"format": "tflite"}],
            ["readVariant", {"format": "tflite", "precision": "float32"}],
        )

        assert [first.tobytes(), named.tobytes()] == [draft.files[file] for file in files]

    @pytest.mark.parametrize(
        "wanted", [{"format": "onnx"}, {"format": "plan", "precision": "int8"}, {}, {"format": 1}]
    )
    def test_one_that_is_not_there_is_refused(self, wanted: dict[str, Any], use: Use) -> None:
        (answer,) = use(plans.classifier(), ["readVariant", wanted])

        assert answer["error"]["kind"] == "input"
        assert answer["error"]["mend"] == "ask for plan float32"

    def test_a_damaged_one_is_refused(self, use: Use) -> None:
        draft = plans.classifier()
        file = draft.add_variant("tflite", "int8", ["litert"])["file"]
        draft.files[file] = draft.files[file][:-1] + b"!"
        (answer,) = use(draft, ["readVariant", {"format": "tflite"}])

        assert answer["error"]["kind"] == "bundle"
        assert "hash differs" in answer["error"]["problem"]
