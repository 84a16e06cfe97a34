"""The Python extension: its checks, its results and its threads."""

from __future__ import annotations

import ctypes
import gc
import pickle
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import plans
from tests.contract import plan_referee
from tests.needs import unavailable
from tests.processes import in_new_process

pytest.importorskip("strop_native", reason="strop-native is not installed: make setup")
import strop_native

KERNELS = strop_native.kernels()
RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (9, 4, 4)).astype(np.uint8)


def _floats(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(0, 1, shape).astype(np.float32)


LAYERS = [(_floats(16, 33), _floats(33), "relu"), (_floats(33, 3), _floats(3), "softmax")]
PLAN = plans.plan("image", "shares", "uint8", (4, 4), 1 / 255, LAYERS)


@pytest.fixture
def model() -> strop_native.Model:
    return strop_native.Model(PLAN)


class TestModel:
    def test_it_says_what_it_takes_and_gives(self, model: strop_native.Model) -> None:
        assert model.inputs == (("image", np.dtype("uint8"), (4, 4)),)
        assert model.outputs == (("shares", np.dtype("float32"), (3,)),)

    @pytest.mark.parametrize("kernels", KERNELS)
    @pytest.mark.parametrize("count", [1, 2, 9, 64, 65, 1000])
    def test_all_kernels_give_the_referee_s_bits(self, kernels: str, count: int) -> None:
        pixels = RANDOM.integers(0, 256, (count, 4, 4)).astype(np.uint8)
        [expected] = plan_referee.outputs(PLAN, pixels)
        found = strop_native.Model(PLAN, kernels).predict(pixels)
        assert found is not None
        assert found.tobytes() == expected.tobytes()

    @pytest.mark.parametrize("kernels", KERNELS)
    @pytest.mark.parametrize("inputs", [3, 8, 61, 784, 4100])
    @pytest.mark.parametrize("weight", [0.5, np.inf, np.nan])
    def test_zeros_that_are_skipped_change_no_bit(
        self, kernels: str, inputs: int, weight: float
    ) -> None:
        kernel = _floats(inputs, 5)
        kernel[RANDOM.integers(inputs, size=2), 2] = weight
        plan = plans.plan("x", "y", "float32", (inputs,), 1.0, [(kernel, _floats(5), "linear")])
        x = _floats(7, inputs)
        x[RANDOM.random(x.shape) < 0.8] = 0
        x[1:3, : inputs // 2] = -0.0
        x[3] = 0
        [expected] = plan_referee.outputs(plan, x)
        [found] = strop_native.Model(plan, kernels).run((x,))
        same = found.view(np.uint32) == expected.view(np.uint32)
        assert (same | (np.isnan(found) & np.isnan(expected))).all()

    @pytest.mark.parametrize("plan", [b"", b"STROPLAN", PLAN[:-1], bytes(len(PLAN))])
    def test_what_is_no_plan_is_refused(self, plan: bytes) -> None:
        with pytest.raises(ValueError, match="not a plan that can run: "):
            strop_native.Model(plan)

    def test_kernels_that_this_cpu_lacks_are_refused(self) -> None:
        with pytest.raises(ValueError, match="this CPU has no kernels 'sse9'"):
            strop_native.Model(PLAN, "sse9")

    def test_the_plain_kernels_are_the_last(self) -> None:
        assert KERNELS[-1] == "plain"


class Subclass(np.ndarray[Any, Any]):
    pass


UNALIGNED = np.frombuffer(b"0" + bytes(4 * 16), np.uint8)[1:].view(np.float32).reshape(1, 16)


class TestPredict:
    """`predict` runs what is exactly right, and leaves the rest to its caller."""

    def test_one_sample_may_come_alone(self, model: strop_native.Model) -> None:
        alone, batch = model.predict(PIXELS[0]), model.predict(PIXELS[:1])
        assert alone is not None
        assert batch is not None
        assert alone.shape == (1, 3)
        np.testing.assert_array_equal(alone, batch)

    @pytest.mark.parametrize(
        "other",
        [
            PIXELS[:0],
            PIXELS[:, :3],
            PIXELS[0, 0],
            PIXELS[None],
            PIXELS[::2],
            np.asfortranarray(PIXELS),
            PIXELS.astype(np.int8),
            PIXELS.astype(np.float32),
            PIXELS > 0,
            PIXELS.view(Subclass),
            np.ma.masked_equal(PIXELS, 0),
            pickle.loads(pickle.dumps(PIXELS)),
            PIXELS.tolist(),
            PIXELS.tobytes(),
            (PIXELS,),
            None,
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_anything_else_is_none(self, model: strop_native.Model, other: Any) -> None:
        assert model.predict(other) is None

    @pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("at", [0, 7, 15])
    def test_floats_must_be_finite(self, hole: float, at: int) -> None:
        plan = plans.plan("x", "y", "float32", (16,), 1.0, LAYERS)
        x = _floats(3, 16)
        model = strop_native.Model(plan)
        assert model.predict(x) is not None
        x[2, at] = hole
        assert model.predict(x) is None

    def test_floats_must_be_aligned_and_in_this_machine_s_order(self) -> None:
        model = strop_native.Model(plans.plan("x", "y", "float32", (16,), 1.0, LAYERS))
        assert not UNALIGNED.flags.aligned
        assert model.predict(UNALIGNED) is None
        assert model.predict(_floats(1, 16).astype(">f4")) is None

    def test_an_answer_of_nan_is_none(self) -> None:
        kernel = np.array([[3e38], [-3e38]], np.float32)
        layers = [(kernel, np.zeros(1, np.float32), "linear")]
        model = strop_native.Model(plans.plan("x", "y", "float32", (2,), 1.0, layers))
        assert model.predict(np.ones((1, 2), np.float32)) is not None
        assert model.predict(np.full((1, 2), 3e38, np.float32)) is None


class TestRun:
    def test_it_gives_the_same_as_predict(self, model: strop_native.Model) -> None:
        [found] = model.run((PIXELS,))
        np.testing.assert_array_equal(found, model.predict(PIXELS))

    @pytest.mark.parametrize(
        "other",
        [(), (PIXELS, PIXELS), PIXELS, [PIXELS], (PIXELS[:0],), (PIXELS[0],), (PIXELS[::2],), None],
        ids=lambda value: type(value).__name__,
    )
    def test_anything_else_is_refused(self, model: strop_native.Model, other: Any) -> None:
        with pytest.raises(ValueError, match="takes a tuple of 1|input 0 is not"):
            model.run(other)


class TestThreads:
    def test_many_threads_get_right_answers(self, model: strop_native.Model) -> None:
        batches = RANDOM.integers(0, 256, (8, 20, 4, 4)).astype(np.uint8)

        def work(batch: NDArray[np.uint8]) -> int:
            [expected] = plan_referee.outputs(PLAN, batch)
            start.wait()
            wrong = 0
            for call in range(2500):
                size = 20 if call % 4 else 3  # without and with the GIL
                found = model.predict(batch[:size])
                wrong += found is None or found.tobytes() != expected[:size].tobytes()
            return wrong

        start = threading.Barrier(8)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            with ThreadPoolExecutor(8) as pool:
                assert sum(pool.map(work, batches)) == 0
        finally:
            sys.setswitchinterval(interval)

    @pytest.mark.parametrize(("size", "count"), [(900, 3000), (4000, 1)])
    def test_a_large_batch_or_model_lets_other_threads_run(self, size: int, count: int) -> None:
        layers = [(_floats(784, size), _floats(size), "relu")]
        layers += [(_floats(size, size), _floats(size), "relu")] if count == 1 else []
        model = strop_native.Model(plans.plan("x", "y", "float32", (784,), 1.0, layers))
        samples = _floats(count, 784)
        seen = threading.Event()

        def work() -> None:
            end = time.monotonic() + 60
            while not seen.is_set() and time.monotonic() < end:
                model.predict(samples)

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            if model.is_busy():
                seen.set()
        assert seen.is_set()
        assert not model.is_busy()

    @pytest.mark.parametrize("call", ["predict", "run"])
    def test_handlers_of_signals_run_within_a_long_batch(self, call: str) -> None:
        """The third raises. If they ran after the batch, there would be only one."""
        sizes = [(1, 1024), (1024, 1024), (1024, 1)]
        layers = [(_floats(*size), _floats(size[1]), "relu") for size in sizes]
        model = strop_native.Model(plans.plan("x", "y", "float32", (1,), 1.0, layers))
        samples = _floats(200_000, 1)
        seen: list[int] = []

        def handle(number: int, _frame: Any) -> None:
            seen.append(number)
            if len(seen) == 3:
                raise TimeoutError

        before = signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        try:
            with pytest.raises(TimeoutError):
                model.predict(samples) if call == "predict" else model.run((samples,))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert not model.is_busy()
        assert model.predict(samples[:9]) is not None


def _work() -> None:
    """Make a model, and call it rightly and wrongly."""
    nothing: Any = (None,)
    model = strop_native.Model(PLAN)
    for inputs in (PIXELS, PIXELS[0], PIXELS[::2], None):
        model.predict(inputs)
    model.run((PIXELS,))
    assert model.inputs
    assert model.outputs
    assert strop_native.kernels()
    for wrong in (lambda: model.run(nothing), lambda: strop_native.Model(b"no plan")):
        with pytest.raises(ValueError, match="input 0|not a plan"):
            wrong()


def _held() -> tuple[int, ...]:
    """Count Python's blocks of memory and the references to two dtypes."""
    gc.collect()
    dtypes = (sys.getrefcount(np.dtype(name)) for name in ("uint8", "float32"))
    return sys.getallocatedblocks(), *dtypes


def _kept() -> tuple[int, ...]:
    """Return how many more of each are held after 200 times the work."""
    for _ in range(20):
        _work()
    before = _held()
    for _ in range(200):
        _work()
    return tuple(new - old for new, old in zip(_held(), before, strict=True))


def test_nothing_is_leaked() -> None:
    """Models and calls give back what they take, also when they fail."""
    blocks, *references = in_new_process(_kept)
    assert blocks < 50
    assert all(abs(more) < 50 for more in references)


class Mallinfo(ctypes.Structure):
    """The `struct mallinfo2` of malloc.h: arena, ordblks, smblks, hblks, hblkhd and so on."""

    _fields_ = (("sizes", ctypes.c_size_t * 10),)


def _kept_bytes() -> int | None:
    """Return how many more bytes malloc has given after 50 models, None where it does not say."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return None
    mallinfo.restype = Mallinfo
    layers = [(_floats(16, 400), _floats(400), "relu"), (_floats(400, 3), _floats(3), "linear")]
    plan = plans.plan("x", "y", "float32", (16,), 1.0, layers)
    samples = _floats(64, 16)

    def taken() -> int:
        """Count the bytes in use: of the heap, and of large blocks."""
        sizes = mallinfo().sizes
        return int(sizes[7] + sizes[4])

    def work() -> None:
        model = strop_native.Model(plan)
        assert model.predict(samples) is not None
        with pytest.raises(ValueError, match="not a plan"):
            strop_native.Model(plan[:-1])

    for _ in range(10):
        work()
    before = taken()
    for _ in range(50):
        work()
    return taken() - before


def test_no_model_and_no_scratch_is_leaked() -> None:
    """They come from malloc, which Python does not count."""
    kept_bytes = in_new_process(_kept_bytes)
    if kept_bytes is None:
        unavailable("malloc does not say how much it has given", "glibc 2.33 or newer")
    assert kept_bytes < 50_000
