"""The shared parts of GPU sessions, on a device made of NumPy."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strop.bundle.file import parse_bundle
from strop.bundle.manifest import Variant
from strop.engines import gpu
from strop.engines.gpu import GpuSession, largest_batch
from tests import bundles


class NumpyBound:
    """Buffers for one size: bytes that are not overwritten stay, in the input and the output."""

    def __init__(self, size: int, log: list[str]) -> None:
        self._log = log
        self.input = np.full((size, 4, 4), 255, np.float32)  # an engine's may hold anything
        self.output = np.full((size, 3), np.nan, np.float32)

    def upload(self, samples: Sequence[NDArray[Any]]) -> None:
        (array,) = samples
        assert len(array) <= len(self.input)
        self._log.append(f"upload {len(array)} of {len(self.input)}")
        self.input[: len(array)] = array

    def compute(self) -> None:
        self._log.append("compute")
        self.output[:] = bundles.answer(bundles.image(), self.input)

    def download(self) -> Sequence[NDArray[np.float32]]:
        self._log.append("download")
        return [self.output]


class Device:
    """A device that binds and records its requests."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.sizes: list[int] = []
        self.bound: list[weakref.ref[NumpyBound]] = []

    def bind(self, size: int) -> NumpyBound:
        self.sizes.append(size)
        made = NumpyBound(size, self.log)
        self.bound.append(weakref.ref(made))
        return made


@pytest.fixture
def variant() -> Variant:
    (variant,) = parse_bundle(bundles.image().pack()).manifest.variants
    return variant


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def session(device: Device, variant: Variant, monkeypatch: pytest.MonkeyPatch) -> GpuSession:
    """A warm session with batches of at most eight, whose device records only sizes of warm-ups."""
    monkeypatch.setattr(gpu, "LARGEST_BYTES", 8 * 16 * 4)
    session = GpuSession(device.bind, variant, "Acme Abacus, Vulkan 1.3")
    device.log.clear()
    return session


def images(count: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, 4, 4)).astype(np.uint8)


def answers(session: GpuSession, samples: NDArray[Any]) -> NDArray[Any]:
    outputs: NDArray[Any] = session.run(samples)
    return outputs


@pytest.mark.parametrize("count", [*range(1, 10), 15, 16, 17, 100])
def test_any_number_of_samples_gives_its_own_answers(session: GpuSession, count: int) -> None:
    """The padding of a batch is dropped, and no part gets another's answer."""
    for samples in (images(count), images(count)[::-1]):
        outputs = answers(session, samples)
        assert outputs.shape == (count, 3)
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, bundles.answer(bundles.image(), samples), atol=1e-6)


class TestParts:
    @pytest.mark.parametrize(
        ("count", "parts"),
        [
            (1, ["1 of 1"]),
            (3, ["3 of 4"]),
            (8, ["8 of 8"]),
            (9, ["8 of 8", "1 of 1"]),
            (21, ["8 of 8", "8 of 8", "5 of 8"]),
        ],
    )
    def test_a_batch_is_filled_up_and_a_long_one_goes_in_parts(
        self, session: GpuSession, device: Device, count: int, parts: list[str]
    ) -> None:
        answers(session, images(count))
        assert device.log == [
            step for part in parts for step in (f"upload {part}", "compute", "download")
        ]

    def test_buffers_are_made_once_a_size(self, session: GpuSession, device: Device) -> None:
        for count in (3, 4, 1, 8, 5, 30, 3, 2):
            answers(session, images(count))
        assert device.sizes == [1, 2, 4, 8]  # two by the warm-up

    def test_sizes_are_powers_of_two_up_to_the_largest(
        self, session: GpuSession, device: Device
    ) -> None:
        for count in range(1, 40):
            answers(session, images(count))
        assert sorted(device.sizes) == [1, 2, 4, 8]
        assert session.largest == 8


def test_what_was_given_is_the_callers(session: GpuSession) -> None:
    """The device's buffers are reused, and earlier answers do not change."""
    first = answers(session, images(8))
    kept = first.copy()
    second = answers(session, 255 - images(8))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, kept)
    first[:] = -1
    np.testing.assert_array_equal(answers(session, images(8)), kept)


def test_the_samples_are_not_touched(session: GpuSession) -> None:
    samples = images(11)
    samples.flags.writeable = False
    answers(session, samples)
    np.testing.assert_array_equal(samples, images(11))


def test_what_it_says_of_itself(session: GpuSession) -> None:
    assert session.adapter == "Acme Abacus, Vulkan 1.3"
    assert session.batch is None
    assert not session.thread_safe


class TestTimedInParts:
    def test_the_parts_are_those_of_run(self, session: GpuSession, device: Device) -> None:
        answers(session, images(21))
        as_run = device.log.copy()
        device.log.clear()
        times = session.time_parts_us(images(21))
        assert device.log == as_run
        assert len(times) == 3
        assert all(type(time) is float and time > 0 for time in times)

    def test_they_add_up_over_the_parts_of_a_long_batch(
        self, session: GpuSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clock on which upload takes 1 us, compute 2 us and download 3 us."""
        ticks = iter([0, 1000, 3000, 6000] * 3)
        monkeypatch.setattr(gpu, "perf_counter_ns", lambda: next(ticks))
        assert session.time_parts_us(images(21)) == (3, 6, 9)


class TestOpening:
    def test_batches_of_one_and_two_are_run_at_once(self, device: Device, variant: Variant) -> None:
        """Some limits of an adapter show only on the first run, those of a file only on a batch."""
        GpuSession(device.bind, variant, "")
        steps = ["compute", "download"]
        assert device.log == ["upload 1 of 1", *steps, "upload 2 of 2", *steps]

    @pytest.mark.parametrize("step", ["upload", "compute", "download"])
    def test_a_failure_there_is_raised_and_leaves_nothing(
        self, device: Device, variant: Variant, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("no shader-f16")

        monkeypatch.setattr(NumpyBound, step, fail)
        with pytest.raises(RuntimeError, match="no shader-f16"):
            GpuSession(device.bind, variant, "")
        gc.collect()  # the traceback kept them
        assert [made() for made in device.bound] == [None]

    def test_buffers_that_cannot_be_made_are_not_taken_for_made(
        self, session: GpuSession, device: Device
    ) -> None:
        bind, session._bind = session._bind, _refuse
        with pytest.raises(MemoryError):
            answers(session, images(3))
        session._bind = bind
        assert len(answers(session, images(3))) == 3
        assert device.sizes == [1, 2, 4]


def _refuse(size: int) -> NumpyBound:
    raise MemoryError(f"no room for {size}")


def test_closing_lets_go_of_every_buffer(session: GpuSession, device: Device) -> None:
    answers(session, images(7))
    session.close()
    gc.collect()
    assert [made() for made in device.bound] == [None, None, None]


class TestLargestBatch:
    @pytest.mark.parametrize(
        ("sample", "count"),
        [
            ((28, 28), 16_384),  # 49 MiB of the 64
            ((1,), 2**14),  # values between the layers may be larger
            ((4096,), 4096),
            ((4097,), 2048),
            ((224, 224, 3), 64),
            ((2**24,), 1),
            ((2**24 + 1,), 1),
            ((2**26,), 1),  # the limit of bundles
            ((None, 4096), 4096),  # an axis that is free counts as one
        ],
    )
    def test_a_power_of_two_that_fits(self, sample: tuple[int | None, ...], count: int) -> None:
        assert largest_batch(sample) == count
        assert largest_batch((1,), sample) == largest_batch(sample, (1,)) == count

    @pytest.mark.parametrize("values", [784, 1000, 12_345, 999_983])
    def test_the_next_one_would_not(self, values: int) -> None:
        count = largest_batch((values,))
        assert count & (count - 1) == 0
        assert 4 * values * count <= gpu.LARGEST_BYTES < 4 * values * count * 2


class PairBound:
    """Buffers of a model with two inputs and two outputs."""

    def __init__(self, size: int) -> None:
        self._inputs = [np.full((size, 2, 2), 9, np.float32), np.full((size, 3), 9, np.float32)]
        self._outputs: Sequence[NDArray[Any]] = ()

    def upload(self, samples: Sequence[NDArray[Any]]) -> None:
        for buffer, array in zip(self._inputs, samples, strict=True):
            buffer[: len(array)] = array

    def compute(self) -> None:
        self._outputs = bundles.pair_answer(self._inputs[0], self._inputs[1])

    def download(self) -> Sequence[NDArray[Any]]:
        return self._outputs


@pytest.mark.parametrize("count", [1, 3, 9])
@pytest.mark.parametrize("batch", [1, None])
def test_several_inputs_and_outputs(
    monkeypatch: pytest.MonkeyPatch, count: int, batch: int | None
) -> None:
    monkeypatch.setattr(gpu, "LARGEST_BYTES", 4 * 4 * 4)
    (variant,) = parse_bundle(bundles.pair(batch=batch).pack()).manifest.variants
    session = GpuSession(PairBound, variant, "Acme Abacus, Vulkan 1.3")
    assert (session.batch, session.largest) == (batch, batch or 4)
    random = np.random.default_rng(count)
    pictures = random.integers(0, 256, (count, 2, 2)).astype(np.uint8)
    weights = random.random((count, 3)).astype(np.float32)
    for found, right in zip(
        session.run((pictures, weights)), bundles.pair_answer(pictures, weights), strict=True
    ):
        np.testing.assert_allclose(found, right, rtol=1e-6)
    assert len(session.time_parts_us((pictures, weights))) == 3
