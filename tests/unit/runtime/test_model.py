"""The app's model: its inputs and outputs, from any number of threads."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from strop.errors import InputError, StropError
from tests import bundles, plans
from tests.unit.runtime import doubles
from tests.unit.runtime.doubles import SpySession

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 4, 4)).astype(np.uint8)
VALUES = np.random.default_rng(1).normal(0, 1, (7, 5)).astype(np.float32)


ENGINES = {"reference": lambda draft: draft, "native": plans.native}


@pytest.fixture(params=ENGINES)
def image(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[strop.Model]:
    """A model of bytes, of an engine that `Model` checks for, and of one with checks of its own."""
    draft = ENGINES[request.param](bundles.image())
    with strop.load(draft.write(tmp_path / "shapes.strop")) as model:
        yield model


@pytest.fixture(params=ENGINES)
def vector(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[strop.Model]:
    """The same of floats."""
    draft = ENGINES[request.param](bundles.vector())
    with strop.load(draft.write(tmp_path / "gauge.strop")) as model:
        yield model


class TestAnswers:
    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_a_batch_of_any_size_is_answered_rightly(self, image: strop.Model, count: int) -> None:
        outputs = image.predict(PIXELS[:count])
        assert outputs.shape == (count, 3)
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, bundles.answer(bundles.image(), PIXELS[:count]), 1e-5)

    def test_one_sample_without_a_batch_axis_is_a_batch_of_one(self, image: strop.Model) -> None:
        assert image.predict(PIXELS[3]).shape == (1, 3)
        np.testing.assert_array_equal(image.predict(PIXELS[3]), image.predict(PIXELS[3:4]))

    def test_the_answer_is_a_new_array_each_time(self, image: strop.Model) -> None:
        first = image.predict(PIXELS[:1])
        kept = first.copy()
        second = image.predict(PIXELS[1:2])
        assert not np.shares_memory(first, second)
        np.testing.assert_array_equal(first, kept)

    def test_the_input_is_left_as_it_was(self, image: strop.Model) -> None:
        pixels = PIXELS.copy()
        image.predict(pixels)
        np.testing.assert_array_equal(pixels, PIXELS)

    @pytest.mark.parametrize(
        "same",
        [
            PIXELS[::-1][::-1],
            np.asfortranarray(PIXELS),
            np.repeat(PIXELS, 2, axis=2)[:, :, ::2],
            np.ascontiguousarray(PIXELS.transpose(2, 1, 0)).transpose(2, 1, 0),
            np.frombuffer(PIXELS.tobytes(), np.uint8).reshape(PIXELS.shape),
        ],
        ids=["reversed twice", "fortran", "strided", "transposed", "read-only"],
    )
    def test_how_an_array_lies_in_memory_does_not_matter(
        self, image: strop.Model, same: NDArray[np.uint8]
    ) -> None:
        np.testing.assert_array_equal(image.predict(same), image.predict(PIXELS))

    @pytest.mark.parametrize(
        ("kind", "exact"),
        [
            (np.float64, True),
            (">f4", True),
            (">f8", True),
            (np.float16, False),
        ],
    )
    def test_a_float_model_takes_any_float(
        self, vector: strop.Model, kind: Any, exact: bool
    ) -> None:
        np.testing.assert_allclose(
            vector.predict(VALUES.astype(kind)),
            vector.predict(VALUES),
            atol=0 if exact else 5e-3,
        )

    def test_a_float_model_takes_lists(self, vector: strop.Model) -> None:
        np.testing.assert_array_equal(
            vector.predict(VALUES.tolist()),
            vector.predict(VALUES),
        )
        np.testing.assert_array_equal(
            vector.predict([1, 2, 3, 4, 5]),
            vector.predict(np.array([[1, 2, 3, 4, 5]], np.float32)),
        )


class TestRealNumbers:
    def test_a_long_batch_is_answered_as_its_parts_are(self, vector: strop.Model) -> None:
        many = np.random.default_rng(2).normal(0, 1, (2500, 5))
        outputs = vector.predict(many)
        assert outputs.shape == (2500, 2)
        for start in (0, 1020, 2400):
            part = vector.predict(many[start : start + 100])
            np.testing.assert_allclose(outputs[start : start + 100], part, atol=1e-6)

    def test_all_of_a_long_batch_is_looked_at_before_any_is_run(self) -> None:
        session = SpySession(lambda x: x[:, :2])
        model = doubles.model(bundles.vector(), session)
        many = np.zeros((5000, 5))
        many[-1, -1] = np.inf
        with pytest.raises(InputError, match="finite"):
            model.predict(many)
        assert session.calls == []

    @pytest.mark.parametrize("size", [1, 3])
    def test_an_overflow_inside_the_net_is_no_answer(self, size: int) -> None:
        """Finite inputs can be too large for float32's arithmetic: inf - inf is NaN."""
        session = SpySession(lambda x: np.full((len(x), 2), np.nan))
        model = doubles.model(bundles.vector(), session)
        with pytest.raises(InputError, match=r"values of up to 3e\+38: its arithmetic overflows"):
            model.predict(np.full((size, 5), -3e38))

    def test_a_session_of_one_sample_takes_them_one_by_one(self) -> None:
        session = SpySession(lambda x: x[:, :2], batch=1)
        model = doubles.model(bundles.vector(), session)
        np.testing.assert_array_equal(model.predict(VALUES), VALUES[:, :2])
        assert [len(call) for call in session.calls] == [1] * 7


class Unwilling:
    def __array__(self, *_: object, **__: object) -> Any:
        raise RuntimeError("the camera is gone")


class TestRefusals:
    @pytest.mark.parametrize(
        "wrap", [lambda x: x, list, lambda x: [list(one) for one in x], lambda x: {"image": x}]
    )
    def test_masked_arrays_are_refused(
        self, image: strop.Model, wrap: Callable[[Any], Any]
    ) -> None:
        masked = np.ma.masked_equal(PIXELS, PIXELS[0, 0, 0])
        with pytest.raises(InputError, match=r"got a masked array; .*filled\(0\)"):
            image.predict(wrap(masked))

    def test_what_cannot_be_made_an_array_is_refused_in_its_own_words(
        self, image: strop.Model
    ) -> None:
        with pytest.raises(InputError, match="the camera is gone"):
            image.predict(Unwilling())

    @pytest.mark.parametrize(
        ("shape", "found"),
        [
            ((0, 4, 4), "an empty batch"),
            ((4,), "(4,)"),
            ((4, 5), "(4, 5)"),
            ((2, 4, 5), "(2, 4, 5)"),
            ((2, 4, 4, 1), "(2, 4, 4, 1)"),
            ((2, 16), "(2, 16)"),
            ((), "()"),
            ((0,), "(0,)"),
        ],
    )
    def test_another_shape_is_named(
        self, image: strop.Model, shape: tuple[int, ...], found: str
    ) -> None:
        with pytest.raises(InputError) as caught:
            image.predict(np.zeros(shape, np.uint8))
        message = str(caught.value)
        assert message.startswith("shapes takes uint8 (0..255) of shape (N, 4, 4) or (4, 4);")
        assert message.endswith(found)

    @pytest.mark.parametrize(
        ("inputs", "hint"),
        [
            (PIXELS / 255, "float64 (7, 4, 4) in 0..1; give raw pixels, (x * 255).round()"),
            (PIXELS.astype(np.float32), "float32 (7, 4, 4); give raw pixels, x.astype(np.uint8)"),
            (PIXELS.astype(np.int64), "int64 (7, 4, 4); give raw pixels, x.astype(np.uint8)"),
            (PIXELS.tolist(), "give raw pixels, np.asarray(x).astype(np.uint8)"),
            (np.full((1, 4, 4), np.nan), "float64 (1, 4, 4) with values that are not finite"),
            (np.full((1, 4, 4), np.inf), "float64 (1, 4, 4) with values that are not finite"),
            (np.zeros((0, 4, 4)), "float64 (0, 4, 4)"),
            (PIXELS > 127, "bool (7, 4, 4)"),
            (PIXELS.astype("c8"), "complex64 (7, 4, 4)"),
            (PIXELS.astype(object), "object (7, 4, 4)"),
            (np.array(["a"]), "<U1 (1,)"),
            (None, "object ()"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_model_of_bytes_takes_only_bytes_and_says_how(
        self, image: strop.Model, inputs: Any, hint: str
    ) -> None:
        with pytest.raises(InputError, match=r"^shapes takes uint8 \(0..255\)") as caught:
            image.predict(inputs)
        assert hint in str(caught.value)

    @pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("count", [1, 7])
    def test_a_float_model_takes_only_finite_values(
        self, vector: strop.Model, hole: float, count: int
    ) -> None:
        values = VALUES[:count].copy()
        values[-1, -1] = hole
        with pytest.raises(InputError, match="gauge takes finite values; got NaN or infinity"):
            vector.predict(values)

    def test_a_value_too_large_for_float32_is_not_finite(self, vector: strop.Model) -> None:
        with pytest.raises(InputError, match="finite values"):
            vector.predict(np.full((1, 5), 1e200))

    @pytest.mark.parametrize(
        "inputs",
        [
            None,
            [[True] * 5],
            "text",
            b"bytes",
            [[1, 2], [3]],
            [["a"] * 5],
            [[None] * 5],
            [[10**30] * 5],
        ],
        ids=repr,
    )
    def test_what_is_no_array_of_numbers_is_refused(self, vector: strop.Model, inputs: Any) -> None:
        with pytest.raises(InputError, match="gauge takes float32"):
            vector.predict(inputs)

    def test_a_refusal_is_a_value_error_too(self, image: strop.Model) -> None:
        with pytest.raises(ValueError, match="takes uint8"):
            image.predict(np.zeros((1, 4, 4)))


class TestSessions:
    """The calls that an engine gets."""

    def test_what_is_right_already_goes_in_untouched(self) -> None:
        draft = bundles.image()
        draft.variant["inputs"][0]["dtype"] = "uint8"
        session = SpySession(lambda inputs: np.zeros((len(inputs), 3)))
        batch = PIXELS[:1]
        doubles.model(draft, session).predict(batch)
        assert session.calls[0] is batch

    def test_bytes_are_left_to_the_session_to_widen(self) -> None:
        session = SpySession(lambda inputs: np.zeros((len(inputs), 3)))
        doubles.model(bundles.image(), session).predict(PIXELS)
        assert session.calls[0] is PIXELS

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_a_file_made_for_one_sample_is_given_one_at_a_time(self, count: int) -> None:
        session = SpySession(lambda inputs: inputs[:, 0, :3], batch=1)
        outputs = doubles.model(bundles.image(), session).predict(PIXELS[:count])
        assert [call.shape for call in session.calls] == [(1, 4, 4)] * count
        np.testing.assert_array_equal(outputs, PIXELS[:count, 0, :3])

    def test_one_that_is_not_thread_safe_is_never_entered_twice_at_once(self) -> None:
        session = SpySession(lambda inputs: inputs[:, 0, :3], thread_safe=False, pause_s=0.0005)
        _hammer(doubles.model(bundles.image(), session), lambda pixels: pixels[:, 0, :3])
        assert session.most_inside == 1

    def test_one_that_is_thread_safe_is_entered_by_many(self) -> None:
        session = SpySession(lambda inputs: inputs[:, 0, :3], pause_s=0.0005)
        _hammer(doubles.model(bundles.image(), session), lambda pixels: pixels[:, 0, :3])
        assert session.most_inside > 1  # shows that the test above can fail


def _hammer(model: strop.Model, answer: Any, *, threads: int = 8, calls: int = 25) -> None:
    """Predict from many threads at once, each with its own inputs."""
    start = threading.Barrier(threads)
    batches = np.random.default_rng(5).integers(0, 256, (threads, calls, 4, 4)).astype(np.uint8)
    expected = answer(batches.reshape(-1, 4, 4)).reshape(threads, calls, -1)

    def work(thread: int) -> None:
        start.wait()
        for pixels, right in zip(batches[thread], expected[thread], strict=True):
            np.testing.assert_allclose(model.predict(pixels)[0], right, atol=1e-5)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    finally:
        sys.setswitchinterval(interval)


class TestThreads:
    def test_many_threads_get_right_answers_from_the_reference(self, image: strop.Model) -> None:
        draft = bundles.image()
        _hammer(image, lambda pixels: bundles.answer(draft, pixels))

    def test_many_threads_get_right_answers_from_the_fake(self, image_path: Path) -> None:
        with strop.load(image_path, engine="fake") as model:
            _hammer(model, lambda pixels: np.eye(3)[pixels.sum(axis=(1, 2)) % 3], calls=100)


def _no_more() -> Any:
    raise MemoryError


class TestClosing:
    def test_a_closed_model_refuses_and_says_so(self, image: strop.Model) -> None:
        image.close()
        for inputs in (PIXELS, PIXELS[:1], PIXELS[0]):
            with pytest.raises(StropError, match="model shapes is closed; load it again"):
                image.predict(inputs)
        with pytest.raises(StropError, match="closed"):
            image.classify(PIXELS[0])

    def test_closing_twice_does_nothing(self) -> None:
        session = SpySession(lambda inputs: inputs)
        model = doubles.model(bundles.image(), session)
        model.close()
        model.close()
        assert session.closed == 1

    def test_leaving_the_block_closes_even_after_an_error(self) -> None:
        session = SpySession(lambda inputs: inputs)
        with pytest.raises(InputError), doubles.model(bundles.image(), session) as model:
            model.predict(np.zeros(3))
        assert session.closed == 1

    def test_what_ran_is_still_said_after_closing(self, image: strop.Model) -> None:
        image.close()
        assert f"on {image.engine} " in repr(image)

    @pytest.mark.parametrize("thread_safe", [True, False])
    def test_a_call_in_flight_ends_well(self, thread_safe: bool) -> None:
        inside, go_on = threading.Event(), threading.Event()

        def answer(inputs: Any) -> Any:
            inside.set()
            assert go_on.wait(60)
            return inputs[:, 0, :3]

        session = SpySession(answer, thread_safe=thread_safe)
        model = doubles.model(bundles.image(), session)
        with ThreadPoolExecutor(2) as pool:
            outputs = pool.submit(model.predict, PIXELS)
            assert inside.wait(60)
            model.close()  # never waits: it may be called where waiting would be a deadlock
            with pytest.raises(StropError, match="closed"):
                model.predict(PIXELS)
            go_on.set()
            np.testing.assert_array_equal(outputs.result(60), PIXELS[:, 0, :3])

    @pytest.mark.parametrize("thread_safe", [True, False])
    @pytest.mark.parametrize(
        ("draft", "batch", "inputs"),
        [
            (bundles.image(), 1, PIXELS),
            (bundles.vector(), None, np.tile(VALUES, (1000, 1))),
        ],
        ids=["one by one", "a long batch of real numbers"],
    )
    def test_a_call_that_goes_in_parts_ends_well(
        self, draft: bundles.Draft, batch: int | None, inputs: NDArray[Any], thread_safe: bool
    ) -> None:
        def answer(part: Any) -> Any:
            model.close()
            return part.reshape(len(part), -1)[:, :2]

        session = SpySession(answer, thread_safe=thread_safe, batch=batch)
        model = doubles.model(draft, session)
        outputs = model.predict(inputs)
        assert len(session.calls) > 1
        np.testing.assert_array_equal(outputs, inputs.reshape(len(inputs), -1)[:, :2])
        with pytest.raises(StropError, match="closed"):
            model.predict(inputs)

    def test_the_last_call_in_flight_takes_the_session_with_it(self) -> None:
        inside, go_on = threading.Event(), threading.Event()

        def answer(inputs: Any) -> Any:
            inside.set()
            assert go_on.wait(60)
            return inputs[:, 0, :3]

        session = SpySession(answer, thread_safe=False)
        gone = weakref.ref(session)
        model = doubles.model(bundles.image(), session, more=_no_more)
        with ThreadPoolExecutor(1) as pool:
            outputs = pool.submit(model.predict, PIXELS)
            assert inside.wait(60)
            del session
            model.close()
            assert gone() is not None
            go_on.set()
            outputs.result(60)
        del pool, outputs
        assert gone() is None

    def test_the_reference_never_answers_with_half_its_layers(self) -> None:
        """A call about to start while another thread closes gets its answer or an error."""
        from strop.engines.reference import ReferenceSession

        draft = bundles.image()
        session = ReferenceSession(draft.files[draft.variant["file"]], 16, 3)
        session.close()
        outputs = session.run(PIXELS)
        np.testing.assert_allclose(outputs, bundles.answer(draft, PIXELS), atol=1e-5)


class TestClassify:
    def test_the_best_class_is_named(self, image: strop.Model) -> None:
        best = image.classify(PIXELS[0])
        expected = bundles.answer(bundles.image(), PIXELS[:1])[0]
        assert best.class_index == expected.argmax()
        assert best.label == bundles.LABELS[best.class_index]
        assert best.probability == pytest.approx(expected.max(), abs=1e-5)
        np.testing.assert_allclose(best.probabilities, expected, atol=1e-5)

    def test_classes_without_labels_are_numbered(self, vector: strop.Model) -> None:
        assert vector.labels == ("0", "1")
        assert vector.classify(VALUES[0]).label in vector.labels

    def test_a_npy_file_of_one_sample_is_taken(self, image: strop.Model, tmp_path: Path) -> None:
        path = tmp_path / "sample.npy"
        np.save(path, PIXELS[0])
        for given in (path, str(path)):
            assert image.classify(given).label == image.classify(PIXELS[0]).label

    def test_several_samples_are_refused(self, image: strop.Model) -> None:
        with pytest.raises(InputError, match="classify takes one sample, got 7; use predict"):
            image.classify(PIXELS)

    @pytest.mark.parametrize("shape", [(3, 2), (4,), ()])
    def test_an_output_that_names_no_class_is_refused(
        self, image: strop.Model, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(InputError, match=r"one row of output .*, float32 \(3,\).* got float32"):
            image.prediction(np.zeros(shape, np.float32))
