"""Several inputs and outputs: on each engine, by name and in order, and their refusals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from strop.bundle.file import parse_bundle
from strop.engines.batches import SeveralInParts, in_parts
from strop.errors import InputError, StropError
from strop.model.select import choose, open_model
from tests import bundles, pairs
from tests.unit.runtime import doubles

RANDOM = np.random.default_rng(3)
PICTURES = RANDOM.integers(0, 256, (7, 2, 2)).astype(np.uint8)
WEIGHTS = (RANDOM.integers(-64, 65, (7, 3)) / 32).astype(np.float32)
ENGINES = ("onnx", "litert", "litert, one at a time")

Answers = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def drafts() -> dict[str, bundles.Draft]:
    data, names = pairs.tflite_file()
    lite: dict[str, Any] = {"engine": "litert", "format": "tflite", "names": names}
    return {
        "onnx": bundles.pair(pairs.onnx_file()),
        "litert": bundles.pair(data, **lite),
        "litert, one at a time": bundles.pair(data, **lite, batch=1),
    }


@pytest.fixture(params=ENGINES)
def model(
    request: pytest.FixtureRequest, drafts: dict[str, bundles.Draft]
) -> Iterator[strop.Model]:
    with _open(drafts[request.param]) as model:
        yield model


@pytest.fixture
def fake() -> Iterator[strop.Model]:
    with _open(bundles.pair(), "fake") as model:
        yield model


def _open(draft: bundles.Draft, engine: str | None = None) -> strop.Model:
    bundle = parse_bundle(draft.pack())
    return open_model(bundle, choose(bundle.manifest, engine=engine))


def _right(answers: Answers, pictures: Any, weights: Any) -> None:
    scores, level = bundles.pair_answer(pictures, weights)
    assert list(answers) == ["scores", "level"]
    np.testing.assert_allclose(answers["scores"], scores, rtol=1e-6)
    np.testing.assert_allclose(answers["level"], level, rtol=1e-6)
    assert answers["level"].shape == (len(pictures),)


class TestEngines:
    """The file has its tensors in another order; the app never sees that."""

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_in_order_and_by_name_are_one(self, model: strop.Model, count: int) -> None:
        pictures, weights = PICTURES[:count], WEIGHTS[:count]
        _right(model.predict([pictures, weights]), pictures, weights)
        _right(model.predict((pictures, weights)), pictures, weights)
        _right(model.predict({"weights": weights, "picture": pictures}), pictures, weights)

    def test_one_sample_needs_no_batch_axis(self, model: strop.Model) -> None:
        _right(model.predict([PICTURES[0], WEIGHTS[0]]), PICTURES[:1], WEIGHTS[:1])

    def test_a_long_batch_is_run_in_parts(self, model: strop.Model) -> None:
        pictures, weights = np.tile(PICTURES, (300, 1, 1)), np.tile(WEIGHTS, (300, 1))
        _right(model.predict([pictures, weights]), pictures, weights)
        _right(model.predict([pictures[:3], weights[:3]]), pictures[:3], weights[:3])

    def test_what_is_given_is_the_callers(self, model: strop.Model) -> None:
        first = model.predict([PICTURES[:1], WEIGHTS[:1]])
        kept = {name: array.copy() for name, array in first.items()}
        model.predict([PICTURES[1:2], WEIGHTS[1:2]])
        for name, array in first.items():
            np.testing.assert_array_equal(array, kept[name])

    def test_threads_get_their_own_answers(self, model: strop.Model) -> None:
        wrong: list[BaseException] = []

        def call(i: int) -> None:
            try:
                for _ in range(50):
                    here = slice(i, i + 1 + i % 2)
                    _right(
                        model.predict([PICTURES[here], WEIGHTS[here]]),
                        PICTURES[here],
                        WEIGHTS[here],
                    )
            except BaseException as error:  # noqa: BLE001
                wrong.append(error)

        threads = [threading.Thread(target=call, args=(i,)) for i in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_a_fork_opens_it_again(self, model: strop.Model) -> None:
        model.predict([PICTURES, WEIGHTS])
        context = get_context("fork")
        child = context.Process(target=_predict_in_child, args=(model,))
        child.start()
        child.join(60)
        assert child.exitcode == 0

    @pytest.mark.parametrize("name", ENGINES)
    def test_the_golden_samples_pass(self, drafts: dict[str, bundles.Draft], name: str) -> None:
        from strop.diagnostics.check import check

        (result,) = check(parse_bundle(drafts[name].pack()))
        assert (result.status, result.keras_agreement) == ("passed", 1.0)

    @pytest.mark.parametrize("name", ["onnx", "litert"])
    @pytest.mark.parametrize("side", ["inputs", "outputs"])
    def test_a_file_of_other_tensors_does_not_open(
        self, drafts: dict[str, bundles.Draft], name: str, side: str
    ) -> None:
        bundle = parse_bundle(drafts[name].pack())
        (variant,) = bundle.manifest.variants
        first, *others = getattr(variant, side)
        for tensors in ([first._replace(name="x"), *others], [first]):
            other = variant._replace(**{side: tuple(tensors)})
            changed = bundle.manifest._replace(variants=(other,))
            with pytest.raises(StropError, match="does not open"):
                open_model(bundle._replace(manifest=changed), choose(changed))


def _predict_in_child(model: strop.Model) -> None:
    _right(model.predict([PICTURES, WEIGHTS]), PICTURES, WEIGHTS)


class TestFake:
    def test_it_answers_by_the_sum_of_all(self, fake: strop.Model) -> None:
        answers = fake.predict([np.full((2, 2), 1, np.uint8), np.array([0, 0, 1], np.float32)])
        np.testing.assert_array_equal(answers["scores"], [[0, 0, 1]])  # 5 modulo 3
        np.testing.assert_array_equal(answers["level"], [1])  # 5 modulo 2

    @pytest.mark.parametrize("structure", ["list", "dict"])
    def test_the_structure_is_that_of_keras(self, structure: str) -> None:
        with _open(bundles.pair(structure=structure), "fake") as model:
            answers = model.predict([PICTURES, WEIGHTS])
            assert type(answers).__name__ == structure
            assert (len(model.inputs), len(model.outputs), model.structure) == (2, 2, structure)
            assert (model.input, model.output) == (model.inputs[0], model.outputs[0])

    @pytest.mark.parametrize(
        ("structure", "kind"), [("one", np.ndarray), ("list", list), ("dict", dict)]
    )
    def test_a_single_output_may_have_a_structure_too(self, structure: str, kind: type) -> None:
        with _open(bundles.image(structure=structure), "fake") as model:
            answers = model.predict(np.zeros((1, 4, 4), np.uint8))
            assert type(answers) is kind
            assert model.classify(np.zeros((4, 4), np.uint8)).label == "circle"

    def test_one_input_goes_by_name_too(self) -> None:
        for draft, name in ((bundles.image(), "image"), (bundles.vector(), "measurements")):
            with _open(draft, "fake") as model:
                array = np.zeros([size or 1 for size in model.input.shape[1:]], model.input.dtype)
                np.testing.assert_array_equal(model.predict({name: array}), model.predict(array))

    def test_a_file_of_arrays_is_a_sample_too(self, fake: strop.Model, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", picture=PICTURES[0], weights=WEIGHTS[0])
        assert fake.classify(tmp_path / "a.npz").label in bundles.LABELS


REFUSED: list[tuple[Any, str]] = [
    ([PICTURES], "got 1 values"),
    ([PICTURES, WEIGHTS, WEIGHTS], "got 3 values"),
    (PICTURES, "got one ndarray"),
    ("a.png", "got one str"),
    (None, "got one NoneType"),
    ({}, "got no picture, weights"),
    ({"picture": PICTURES}, "got no weights"),
    ({"picture": PICTURES, "weights": WEIGHTS, "x": 1}, "got the unknown 'x'"),
    ({"picture": PICTURES, "weights": WEIGHTS, 7: 1}, "got the unknown 'a int'"),
    ([PICTURES[:2], WEIGHTS[:3]], "got 2 of picture, 3 of weights"),
    ([PICTURES[0], WEIGHTS], "got 1 of picture, 7 of weights"),
    ([WEIGHTS, PICTURES], "input 'picture' takes uint8"),
    ([PICTURES, PICTURES], "input 'weights' takes float32"),
    ([PICTURES, WEIGHTS * np.nan], "input 'weights' takes finite values"),
    ([PICTURES[:0], WEIGHTS[:0]], "got an empty batch"),
]


@pytest.mark.parametrize(("inputs", "found"), REFUSED, ids=[found for _, found in REFUSED])
def test_what_is_no_array_for_each_input_is_refused(
    fake: strop.Model, inputs: Any, found: str
) -> None:
    with pytest.raises(InputError) as caught:
        fake.predict(inputs)
    assert found in caught.value.problem
    assert "\n" not in str(caught.value)


def test_a_refusal_lists_the_names(fake: strop.Model) -> None:
    with pytest.raises(InputError) as caught:
        fake.predict({"image": PICTURES})
    message = str(caught.value)
    assert "'picture', uint8 (0..255) of shape (N, 2, 2) or (2, 2)" in message
    assert caught.value.mend == "give them by name, {'picture': ..., 'weights': ...}"


def test_a_mapping_inside_a_mapping_is_refused() -> None:
    with _open(bundles.vector(), "fake") as model:
        endless: dict[str, Any] = {}
        endless["measurements"] = endless
        for inputs in ({}, {"x": 1}, endless):
            with pytest.raises(InputError, match="gauge takes"):
                model.predict(inputs)


class TestSessions:
    def test_a_session_for_one_caller_is_never_entered_twice(self) -> None:
        session = Spy()
        with doubles.model(bundles.pair(), session) as model:
            threads = [
                threading.Thread(target=model.predict, args=([PICTURES, WEIGHTS],))
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert session.most_inside == 1

    @pytest.mark.parametrize("batch", [1, None])
    def test_parts_are_converted_and_joined(self, batch: int | None) -> None:
        session = Spy(batch)
        over = SeveralInParts(session, ["uint8", "float32"])
        scores, level = over.run((PICTURES, WEIGHTS.astype(np.float64)))
        assert (scores.shape, level.shape) == ((7, 3), (7,))
        assert {array.dtype.name for call in session.calls for array in call} == {
            "uint8",
            "float32",
        }
        assert len(session.calls) == (7 if batch else 1)

    def test_samples_without_an_axis_are_joined(self) -> None:
        joined = in_parts(lambda part: part + 1, np.arange(5), 2)
        np.testing.assert_array_equal(joined, [1, 2, 3, 4, 5])

    @pytest.mark.parametrize("nan", [0, 1])
    def test_nan_is_refused_by_name(self, nan: int) -> None:
        session = Spy(
            change=lambda answers: [a * np.nan if i == nan else a for i, a in enumerate(answers)]
        )
        with doubles.model(bundles.pair(), session) as model, pytest.raises(InputError) as caught:
            model.predict([PICTURES, WEIGHTS])
        assert f"NaN for {('scores', 'level')[nan]}, with values of up to" in str(caught.value)


class Spy(doubles.SpySession):
    """A session that computes `pair`, for one caller at a time."""

    def __init__(
        self, batch: int | None = None, change: Callable[[Any], Any] = lambda answers: answers
    ) -> None:
        super().__init__(lambda samples: 0, thread_safe=False, batch=batch, pause_s=0.001)
        self._change = change

    def run(self, samples: Any) -> Any:
        super().run(samples)
        return tuple(self._change(bundles.pair_answer(*samples)))
