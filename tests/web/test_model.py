"""The model of a page: the bits, rules and words of the Python runtime."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

import strop
from strop.bundle import signing
from strop.bundle.file import parse_bundle
from strop.bundle.manifest import InputSpec, OutputSpec
from strop.diagnostics.check import check
from strop_export.formats.plan import Plan, Step, Tensor
from tests import bundles
from tests.contract import plan_referee, plan_sample
from tests.web import plans

pytest.importorskip("strop_native")

Array = NDArray[Any]
PIXELS = np.arange(0, 256, 16, dtype=np.uint8)
Use = Callable[..., list[Any]]


@pytest.fixture
def use(ask: Callable[[Any], list[Any]], tmp_path: Path) -> Use:
    """Open a bundle in the module, and call the model."""

    def call(draft: bundles.Draft, *calls: Any, **options: Any) -> list[Any]:
        bundle = str(draft.write(tmp_path / "small.strop"))
        (answer,) = ask([{"bundle": bundle, "options": options, "calls": calls}])
        return answer if isinstance(answer, list) else [answer]

    return call


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


class TestChoice:
    def test_the_first_plan_runs_and_a_precision_may_be_asked_for(self, use: Use) -> None:
        draft = plans.classifier()
        draft.add_variant("tflite", "int8", ["litert"])
        draft.content["variants"].reverse()
        (first,) = use(draft, ["precision"])
        (same,) = use(draft, ["precision"], precision="float32")
        (none,) = use(draft, precision="int8")
        (unknown,) = use(draft, precision="int4")

        assert (first, same) == ("float32", "float32")
        assert none["error"]["problem"] == "small-web has no int8 variant for native"
        assert (none["error"]["kind"], unknown["error"]["kind"]) == ("input", "input")

    def test_a_bundle_without_plans_is_refused(self, use: Use) -> None:
        (answer,) = use(bundles.image())

        assert answer["error"]["kind"] == "engine"
        assert answer["error"]["problem"] == "shapes-cpu has no plan that is proven on native"

    @pytest.mark.parametrize(("floor", "opens"), [("0.1", True), ("0", True), ("0.2", False)])
    def test_a_plan_for_a_newer_engine_is_refused(self, floor: str, opens: bool, use: Use) -> None:
        draft = plans.classifier()
        draft.variant["requires"] = {"engines": {"native": floor}}
        (answer,) = use(draft, ["precision"])

        assert opens == (answer == "float32")
        assert opens or answer["error"]["kind"] == "engine"

    def test_a_plan_that_is_not_the_one_described_is_refused(self, use: Use) -> None:
        draft = plans.classifier()
        draft.variant["outputs"][0]["name"] = "other"
        (answer,) = use(draft)

        assert answer["error"]["kind"] == "bundle"

    @pytest.mark.parametrize("rounding", ["reference", "float"])
    def test_the_manifest_names_the_plan_s_rounding(self, rounding: str, use: Use) -> None:
        draft = plans.several()  # its plan rounds as float
        draft.variant["rounding"] = rounding
        (answer,) = use(draft, ["rounding"])

        assert answer == rounding if rounding == "float" else answer["error"]["kind"] == "bundle"


class TestTrust:
    KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))

    @pytest.mark.parametrize("signer", [KEY, OTHER, None, "another message", "spaces"])
    def test_a_trusted_key_must_have_signed(self, signer: Any, use: Use, tmp_path: Path) -> None:
        trusted = signing.public_half(self.KEY).text
        draft = plans.classifier()
        manifest = draft.manifest()
        if signer:
            key = self.KEY if isinstance(signer, str) else signer
            signed = signing.sign(manifest + b" " * (signer == "another message"), key)
            draft.files["signature.json"] = signed + b"\n" * (signer == "spaces")
        (answer,) = use(draft, ["signedBy"], trustedKeys=[f"{trusted} release"])
        (ignored,) = use(draft, ["signedBy"])

        assert ignored is None
        try:
            strop.load(draft.write(tmp_path / "python.strop"), trusted_keys=[trusted]).close()
            assert answer == trusted
        except strop.BundleError as error:
            assert answer["error"]["kind"] == "bundle"
            problem = error.problem.partition(": ")[2].replace(" (release)", "")
            assert answer["error"]["problem"] == problem

    @pytest.mark.parametrize(
        "keys", [[], ["secret"], [f"ed25519:{'00' * 32}"], [f"ed25519:{'ff' * 32}"], [1]]
    )
    def test_keys_that_protect_nothing_are_refused(self, keys: list[Any], use: Use) -> None:
        (answer,) = use(plans.classifier(), trustedKeys=keys)

        assert answer["error"]["kind"] in ("bundle", "input")
        assert "secret" not in answer["error"]["message"]
