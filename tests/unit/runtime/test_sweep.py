"""The GPU against one core of the CPU by batch size: the timed calls, and the command's output."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import gpu as picture
from strop import cli
from strop.bundle.file import parse_bundle
from strop.bundle.manifest import Variant
from strop.device import cpu
from strop.diagnostics import sweep
from strop.diagnostics.sweep import Point, Timing, crossover
from strop.diagnostics.timing import Latency
from strop.engines.base import Session
from strop.engines.gpu import GpuSession
from strop.errors import BundleError, DeviceUnavailable, InputError, ParityError
from strop.model.model import Model
from strop.model.select import Choice, open_model
from tests import bundles
from tests.unit.runtime import doubles

GPU = "NVIDIA Toaster, CUDA 12.8"
Answer = Callable[[NDArray[Any]], NDArray[Any]]


def _right(inputs: NDArray[Any]) -> NDArray[Any]:
    return bundles.answer(bundles.image(), inputs)


class NumpyBound:
    """Buffers of a GPU made of NumPy."""

    def __init__(self, size: int, answer: Answer) -> None:
        self._input = np.zeros((size, 4, 4), np.uint8)
        self._output = np.zeros((size, 3), np.float32)
        self._answer = answer

    def upload(self, samples: Sequence[NDArray[Any]]) -> None:
        (array,) = samples
        self._input[: len(array)] = array

    def compute(self) -> None:
        self._output[:] = self._answer(self._input)

    def download(self) -> Sequence[NDArray[np.float32]]:
        return [self._output]


class Engine(doubles.Double):
    """An engine that runs on that GPU, and on the CPU."""

    devices = ("cpu", "gpu")
    on_gpu: Answer = staticmethod(_right)
    on_cpu: Answer = staticmethod(_right)
    sizes: tuple[int, ...] = ()  # sizes that the GPU was bound for
    opened: tuple[Session, ...] = ()

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        session: Session
        if device == "cpu":
            session = doubles.SpySession(self.on_cpu)
        elif self.adapter is None:
            raise DeviceUnavailable(f"{self.name} found no GPU")
        else:
            session = GpuSession(self._bind, variant, self.adapter)
        self.opened += (session,)
        return session

    def _bind(self, size: int) -> NumpyBound:
        self.sizes += (size,)
        return NumpyBound(size, self.on_gpu)


@pytest.fixture(autouse=True)
def _a_known_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu, "this_cpu", lambda: cpu.Cpu("aarch64", "Pi 4", 4))
    doubles.uninstall(monkeypatch, "litert", "tflite", "onnx")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(doubles, "Double", Engine)
    engine = doubles.install(monkeypatch, "onnx", devices=("cpu", "gpu"))
    assert isinstance(engine, Engine)
    return engine


@pytest.fixture
def draft() -> bundles.Draft:
    """float32 and float16 for the GPU, int8 for the CPU, all on onnx; and the reference."""
    draft = bundles.image(engines=["onnx", "reference"])
    for precision, devices in (
        ("float32", ["cpu", "gpu"]),
        ("float16", ["cpu", "gpu"]),
        ("int8", ["cpu"]),
    ):
        draft.add_variant("onnx", precision, ["onnx"])["devices"] = devices
    return draft


@pytest.fixture
def path(draft: bundles.Draft, tmp_path: Path) -> Path:
    return draft.write(tmp_path / "shapes.strop")


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Takes no time: on the GPU a call takes 100 us, on the CPU 10, 7 and 5 us a sample; gives the
    number of samples of each call.
    """
    sizes: list[int] = []

    def side_by_side(calls: list[Callable[[], Any]], **_: Any) -> list[Latency]:
        count = len(calls[0]())
        sizes.append(count)
        assert [len(call()) for call in calls] == [count] * len(calls)
        took = [100.0, *(each * count for each in (10.0, 7.0, 5.0))][: len(calls)]
        return [Latency(us, 2 * us, 3 * us, 30) for us in took]

    monkeypatch.setattr(sweep, "side_by_side", side_by_side)
    return sizes


def _swept(draft: bundles.Draft, **options: Any) -> list[Point]:
    _, points = sweep.sweep(parse_bundle(draft.pack()), **options)
    return points


@pytest.mark.usefixtures("engine")
class TestPoints:
    def test_each_batch_is_timed_against_the_fastest_there_is(
        self, draft: bundles.Draft, timed: list[int]
    ) -> None:
        points = _swept(draft, batches=[1, 4, 64])
        assert timed == [1, 4, 64]
        assert [point.batch for point in points] == [1, 4, 64]
        fastest = points[1].cpu
        assert (fastest.engine, fastest.precision) == ("onnx", "int8")
        assert fastest.latency.p50_us == 20
        assert fastest.images_per_s == pytest.approx(200_000)
        assert (points[1].gpu.engine, points[1].gpu.precision) == ("onnx", "float32")
        assert points[1].gpu.images_per_s == pytest.approx(40_000)
        assert [point.speedup for point in points] == pytest.approx([0.05, 0.2, 3.2])

    @pytest.mark.usefixtures("timed")
    def test_a_call_is_taken_apart(self, draft: bundles.Draft) -> None:
        (point,) = _swept(draft, batches=[3])
        assert min(point.upload_us, point.compute_us, point.download_us) > 0
        assert all(type(v) is float for v in (point.upload_us, point.compute_us))

    def test_the_machine_s_own_clock(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweep, "BUDGET_S", 0.05)
        points = _swept(draft, batches=[1, 2])
        for point in points:
            assert point.speedup > 0
            assert point.gpu.latency.samples > 0
            assert point.cpu.images_per_s == pytest.approx(
                point.batch / point.cpu.latency.p50_us * 1e6
            )

    @pytest.mark.usefixtures("timed")
    def test_the_precision_is_that_of_the_gpu_s_file(self, draft: bundles.Draft) -> None:
        (point,) = _swept(draft, batches=[1], precision="float16")
        assert (point.gpu.precision, point.cpu.precision) == ("float16", "int8")

    def test_each_step_is_told(self, draft: bundles.Draft, timed: list[int]) -> None:
        lines: list[str] = []
        _swept(draft, batches=[1, 4096], progress=lines.append)
        assert lines == ["checking the answers", "batch 1, 1 of 2", "batch 4,096, 2 of 2"]

    def test_by_default_there_are_nine_sizes(self, draft: bundles.Draft, timed: list[int]) -> None:
        _swept(draft)
        assert timed == [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536]


@pytest.mark.usefixtures("timed")
class TestCompetitors:
    def test_numpy_which_takes_every_core_is_none(
        self, draft: bundles.Draft, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """NumPy's BLAS ignores the number of threads."""
        opened: list[tuple[str, str]] = []

        def spied(bundle: Any, choice: Choice) -> Model:
            opened.append((choice.engine, choice.variant.precision))
            return open_model(bundle, choice)

        monkeypatch.setattr(sweep, "open_model", spied)
        _swept(draft, batches=[1])
        assert opened == [("onnx", "float32"), ("onnx", "float16"), ("onnx", "int8")]

    def test_all_are_closed(self, draft: bundles.Draft, engine: Engine) -> None:
        _swept(draft, batches=[1])
        on_cpu = [s for s in engine.opened if isinstance(s, doubles.SpySession)]
        on_gpu = [s for s in engine.opened if isinstance(s, GpuSession)]
        assert [s.closed for s in on_cpu] == [1, 1, 1]
        assert len(on_gpu) == 2  # one timed as a whole, one in parts
        assert not any(hasattr(s, "_bind") for s in on_gpu)

    @pytest.mark.parametrize("device", ["on_gpu", "on_cpu"])
    def test_one_that_answers_wrongly_is_not_timed(
        self, draft: bundles.Draft, engine: Engine, device: str, timed: list[int]
    ) -> None:
        setattr(engine, device, lambda inputs: _right(inputs) + 0.5)
        with pytest.raises(ParityError, match=r"onnx float32: differs by 0\.5 from the outputs"):
            _swept(draft, batches=[1])
        assert timed == []

    def test_golden_arrays_that_are_none_condemn_the_bundle(
        self, draft: bundles.Draft, engine: Engine
    ) -> None:
        draft.put(draft.content["golden"]["inputs"][0], bundles.npy(np.zeros(3)))
        with pytest.raises(BundleError, match="instead of uint8"):
            _swept(draft, batches=[1])


class TestRefused:
    def test_without_a_gpu(self, draft: bundles.Draft, engine: Engine) -> None:
        engine.adapter = None
        with pytest.raises(DeviceUnavailable, match=r"^onnx found no GPU$"):
            _swept(draft)

    @pytest.mark.usefixtures("engine")
    def test_a_bundle_without_files_for_the_gpu(self) -> None:
        with pytest.raises(DeviceUnavailable, match="variant made for the GPU"):
            _swept(bundles.image())

    @pytest.mark.usefixtures("engine")
    def test_an_unknown_precision(self, draft: bundles.Draft) -> None:
        with pytest.raises(InputError, match="no precision 'float8'"):
            _swept(draft, precision="float8")


def _point(batch: int, speedup: float) -> Point:
    timing = Timing("onnx", "float32", Latency(1, 1, 1, 1), 1.0)
    return Point(batch, timing, timing, speedup, 1.0, 1.0, 1.0)


class TestCrossover:
    @pytest.mark.parametrize(
        ("speedups", "found"),
        [
            ({1: 0.1, 4: 0.9, 16: 1.1, 64: 5.0}, 16),
            ({1: 2.0, 4: 3.0}, 1),
            ({1: 0.1, 4: 0.9}, None),
            ({1: 0.1, 4: 1.0}, None),  # as fast is not faster
            ({1: 0.1, 4: 1.2, 16: 0.9, 64: 2.0}, 64),  # from where it stays faster
            ({1: 2.0, 4: 0.5}, None),
            ({}, None),
        ],
    )
    def test_it_is_where_the_gpu_is_faster_from_then_on(
        self, speedups: dict[int, float], found: int | None
    ) -> None:
        points = [_point(batch, speedup) for batch, speedup in speedups.items()]
        assert crossover(points) == found
        assert crossover(points[::-1]) == found

    def test_a_point_is_a_value(self) -> None:
        assert replace(_point(1, 2.0), batch=4) == _point(4, 2.0)


@pytest.mark.usefixtures("engine", "timed")
class TestCommand:
    def test_the_table(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["sweep", str(path), "--batches", "1,4,64,4096"]) == 0
        machine, model, header, *rows, parts, verdict = capsys.readouterr().out.splitlines()
        assert machine == "on Pi 4"
        assert model.endswith(f"float32 on onnx 1.2.3, gpu ({GPU}), threads=1>")
        assert " ".join(header.split()) == (
            "batch CPU images/s GPU images/s x CPU upload compute download"
        )
        assert [row.split()[:6] for row in rows] == [
            ["1", "onnx", "int8", "200,000", "10,000", "0.05"],
            ["4", "onnx", "int8", "200,000", "40,000", "0.2"],
            ["64", "onnx", "int8", "200,000", "640,000", "3.2"],
            ["4,096", "onnx", "int8", "200,000", "40,960,000", "205"],
        ]
        assert parts == "upload, compute, download: of a batch on the GPU, in us"
        assert verdict == "the GPU is faster than one core from batches of 64 on"

    def test_a_gpu_that_is_never_faster(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["sweep", str(path), "--batches", "1,4"]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        assert last.startswith("one core of the CPU is faster than the GPU, or as fast, at")

    def test_json(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["sweep", str(path), "--batches", "1,64", "--json"]) == 0
        content = json.loads(capsys.readouterr().out)
        assert content["bundle"] == str(path)
        assert content["digest"] == parse_bundle(path.read_bytes()).digest
        assert content["model"]["adapter"] == GPU
        assert content["model"]["device"] == f"gpu ({GPU})"
        assert content["cpu"] == {"machine": "aarch64", "model": "Pi 4", "cores": 4}
        assert content["crossover"] == 64
        first, _ = content["points"]
        assert first["batch"] == 1
        assert first["speedup"] == pytest.approx(0.05)
        assert {*first} == {
            *("batch", "cpu", "gpu", "speedup", "upload_us", "compute_us", "download_us")
        }
        assert first["gpu"] == {
            "engine": "onnx",
            "precision": "float32",
            "images_per_s": 10_000,
            "p50_us": 100,
            "p95_us": 200,
            "p99_us": 300,
            "samples": 30,
        }
        assert first["cpu"]["precision"] == "int8"

    def test_the_picture_is_drawn_from_it(
        self, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["sweep", str(path), "--batches", "1,64", "--json"]) == 0
        (tmp_path / "sweep.json").write_text(capsys.readouterr().out, encoding="ascii")
        read = picture.load(tmp_path / "sweep.json")
        assert read.gpu_name == GPU
        assert read.cpu_name == "Pi 4"
        assert (read.crossover, [point.batch for point in read.points]) == (64, [1, 64])

    def test_no_gpu_is_one_line_and_exit_2(
        self, path: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        engine.adapter = None
        assert cli.main(["sweep", str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err == "strop: onnx found no GPU\n"

    def test_wrong_answers_are_exit_1(
        self, path: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        engine.on_gpu = lambda inputs: _right(inputs)[::-1]
        assert cli.main(["sweep", str(path)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("strop: 1 of 4 checks failed: onnx float32: differs by ")

    @pytest.mark.parametrize("batches", ["0", "1,", "a", "1,-4"])
    def test_batches_that_are_none(
        self, path: Path, batches: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["sweep", str(path), f"--batches={batches}"])
        assert stopped.value.code == 2
        assert "is not a whole number of 1 or more" in capsys.readouterr().err
