"""The meaning of `device=`: the GPU or an error, and a measured choice by default."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop import cli
from strop.bundle.file import parse_bundle
from strop.device import cpu
from strop.diagnostics import joined, tune
from strop.diagnostics.check import check
from strop.diagnostics.replay import ABSENT, FAILED, PASSED
from strop.diagnostics.timing import Latency
from strop.errors import DeviceUnavailable, EngineUnavailable, InputError, StropWarning
from strop.model import tuned, tuned_path
from tests import bundles
from tests.unit.runtime import doubles

GPU = "NVIDIA Toaster, CUDA 12.8"
BOTH = ("cpu", "gpu")


def _right(model: bytes) -> doubles.SpySession:
    return doubles.SpySession(lambda inputs: bundles.answer(bundles.image(), inputs))


@pytest.fixture(autouse=True)
def _an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu, "this_cpu", lambda: cpu.Cpu("aarch64", "Pi 4", 4))
    doubles.uninstall(monkeypatch, "litert", "tflite", "onnx")


@pytest.fixture
def draft() -> bundles.Draft:
    """float32 and float16 on onnx and litert for the GPU too, and the reference for the CPU."""
    draft = bundles.image(engines=["onnx", "litert", "reference"])
    for file_format, engine in (("onnx", "onnx"), ("tflite", "litert")):
        for precision in ("float32", "float16"):
            draft.add_variant(file_format, precision, [engine])["devices"] = [*BOTH]
    return draft


@pytest.fixture
def path(draft: bundles.Draft, tmp_path: Path) -> Path:
    return draft.write(tmp_path / "shapes.strop")


@pytest.fixture
def onnx(monkeypatch: pytest.MonkeyPatch) -> doubles.Double:
    return doubles.install(monkeypatch, "onnx", _right, BOTH)


@pytest.fixture
def litert(monkeypatch: pytest.MonkeyPatch) -> doubles.Double:
    return doubles.install(monkeypatch, "litert", _right, BOTH)


def _running(path: Path, **asked: Any) -> tuple[str, str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with strop.load(path, **asked) as model:
            return model.engine, model.precision, model.device


@pytest.mark.usefixtures("onnx", "litert")
class TestAskedFor:
    def test_the_gpu_is_the_gpu_and_says_which(self, path: Path) -> None:
        with strop.load(path, device="gpu") as model:
            assert model.device == f"gpu ({GPU})"
            assert model.adapter == GPU
            assert repr(model).endswith(f"float32 on onnx 1.2.3, gpu ({GPU}), threads=1>")

    def test_engine_and_precision_are_had_too(self, path: Path) -> None:
        assert _running(path, device="gpu", precision="float16")[:2] == ("onnx", "float16")
        assert _running(path, device="gpu", engine="litert")[:2] == ("litert", "float32")

    @pytest.mark.parametrize("asked", [{}, {"device": "cpu"}, {"device": "auto"}])
    def test_otherwise_it_is_the_cpu_until_something_is_measured(
        self, path: Path, asked: dict[str, str]
    ) -> None:
        assert _running(path, **asked) == ("onnx", "float32", "cpu")

    def test_an_engine_whose_gpu_is_absent_is_passed_over_and_said(
        self, path: Path, onnx: doubles.Double
    ) -> None:
        onnx.adapter = None
        with pytest.warns(StropWarning) as caught:
            model = strop.load(path, device="gpu")
        assert (model.engine, model.adapter) == ("litert", GPU)
        (warning,) = caught
        assert str(warning.message) == f"litert runs it on gpu ({GPU}), since onnx found no GPU"
        assert warning.filename == __file__
        with pytest.raises(DeviceUnavailable, match=r"^onnx found no GPU$"):
            strop.load(path, device="gpu", engine="onnx")

    def test_an_engine_that_is_broken_is_not_passed_over(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise RuntimeError("no such opcode")

        doubles.install(monkeypatch, "onnx", refuse, BOTH)
        with pytest.raises(EngineUnavailable, match="no such opcode"):
            strop.load(path, device="gpu")


class TestRefused:
    def test_an_unknown_device(self, path: Path) -> None:
        with pytest.raises(InputError, match="no device 'npu'; ask for one of cpu, gpu, auto$"):
            strop.load(path, device="npu")

    def test_all_that_was_tried_is_said(
        self, path: Path, onnx: doubles.Double, litert: doubles.Double
    ) -> None:
        onnx.adapter = litert.adapter = None
        with pytest.raises(DeviceUnavailable) as caught:
            strop.load(path, device="gpu")
        assert str(caught.value) == (
            "device 'gpu' is not available: onnx found no GPU; litert found no GPU"
        )

    def test_engines_that_are_not_installed_have_their_install_line(
        self, path: Path, litert: doubles.Double
    ) -> None:
        litert.adapter = None
        with pytest.raises(DeviceUnavailable) as caught:
            strop.load(path, device="gpu")
        begin = "device 'gpu' is not available: litert found no GPU; engine 'onnx' is not installed"
        assert str(caught.value).startswith(begin)
        assert str(caught.value).endswith("[onnx]'")

    @pytest.mark.parametrize("asked", [{}, {"engine": "reference"}, {"engine": "fake"}])
    def test_a_bundle_without_files_for_the_gpu(
        self, image_path: Path, asked: dict[str, Any]
    ) -> None:
        with pytest.raises(DeviceUnavailable, match=r"made for the GPU; export it for a target"):
            strop.load(image_path, device="gpu", **asked)

    @pytest.mark.usefixtures("onnx")
    def test_a_file_made_for_the_cpu_never_gets_there(
        self, draft: bundles.Draft, tmp_path: Path
    ) -> None:
        """Other files may give wrong answers on a GPU, without an error."""
        draft.content["variants"][1]["devices"] = ["cpu"]
        path = draft.write(tmp_path / "b.strop")
        assert _running(path, device="gpu", engine="onnx")[1] == "float16"
        with pytest.raises(DeviceUnavailable, match="no float32 variant for onnx made for the GPU"):
            strop.load(path, device="gpu", engine="onnx", precision="float32")


@pytest.mark.usefixtures("litert")
class TestCheck:
    def test_each_device_is_a_line(self, draft: bundles.Draft) -> None:
        results = check(parse_bundle(draft.pack()), engine="litert", precision="float32")
        assert [(r.device, r.status) for r in results] == [("cpu", PASSED), ("gpu", PASSED)]
        assert results[1].detail == f"1.2.3, {GPU}"

    def test_no_gpu_is_an_absent_line_unless_it_is_insisted_on(
        self, draft: bundles.Draft, litert: doubles.Double
    ) -> None:
        litert.adapter = None
        bundle = parse_bundle(draft.pack())
        results = check(bundle, engine="litert", precision="float32")
        assert [(r.device, r.status) for r in results] == [("cpu", PASSED), ("gpu", ABSENT)]
        assert results[1].detail == "litert found no GPU"
        with pytest.raises(DeviceUnavailable, match=r"is not available: .*litert found no GPU"):
            check(bundle, device="gpu")

    def test_a_gpu_that_answers_wrongly_fails(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Wrong(doubles.SpySession):
            def run(self, inputs: Any) -> Any:
                return super().run(inputs) + 0.5 * bool(self.adapter)

        right = bundles.image()
        doubles.install(
            monkeypatch, "litert", lambda model: Wrong(lambda x: bundles.answer(right, x)), BOTH
        )
        results = check(parse_bundle(draft.pack()), engine="litert", precision="float32")
        assert [r.status for r in results] == [PASSED, FAILED]

    def test_only_the_device_insisted_on(self, draft: bundles.Draft) -> None:
        bundle = parse_bundle(draft.pack())
        assert {r.device for r in check(bundle, device="gpu")} == {"gpu"}
        assert {r.device for r in check(bundle, device="cpu")} == {"cpu"}
        with pytest.raises(InputError, match="no device 'npu'"):
            check(bundle, device="npu")


def _timer(calls: Any) -> list[Latency]:
    """A timer by which later candidates are faster."""
    for call in calls:
        call()
    return [Latency(9.0 - i, 9, 9, 1) for i in range(len(calls))]


def _timer_of_gpus(calls: Any, **_: Any) -> list[Latency]:
    """The same, except that the reference is slow."""
    return [*_timer(calls)[:4], *[Latency(99, 99, 99, 1)] * (len(calls) - 4)]


@pytest.mark.usefixtures("litert")
class TestTune:
    """`auto` is the measured winner."""

    def _tuned(
        self, draft: bundles.Draft, timer: tune.Timer = _timer, **options: Any
    ) -> list[tuned.Row]:
        bundle = parse_bundle(draft.pack())
        candidates = tune.tune(bundle, threads=[1], timer=timer, **options)
        rows = tune.rows(candidates)
        tuned.remember(bundle, rows, options.get("batch", 1), options.get("device", "auto"))
        return rows

    def test_both_devices_are_candidates(self, draft: bundles.Draft) -> None:
        rows = self._tuned(draft)
        assert [(r.engine, r.precision, r.device, r.adapter) for r in rows] == [
            ("reference", "float32", "cpu", ""),
            ("litert", "float16", "gpu", GPU),
            ("litert", "float16", "cpu", ""),
            ("litert", "float32", "gpu", GPU),
            ("litert", "float32", "cpu", ""),
        ]

    def test_auto_is_the_winner_and_a_device_insisted_on_its_best(
        self, draft: bundles.Draft, path: Path
    ) -> None:
        self._tuned(draft)
        assert _running(path, device="auto")[0] == "reference"
        assert _running(path, device="gpu") == ("litert", "float16", f"gpu ({GPU})")
        self._tuned(draft, _timer_of_gpus)
        for device in (None, "auto", "gpu"):
            assert _running(path, device=device) == ("litert", "float16", f"gpu ({GPU})")
        assert _running(path, device="cpu") == ("litert", "float16", "cpu")

    def test_kept_to_a_device_it_decides_for_that_one_alone(
        self, draft: bundles.Draft, path: Path
    ) -> None:
        """The devices were not compared."""
        for kept, other in (BOTH, BOTH[::-1]):
            assert {row.device for row in self._tuned(draft, device=kept)} == {kept}
            for asked, is_tuned in ((kept, True), (other, False), ("auto", False), (None, False)):
                with strop.load(path, device=asked) as model:
                    assert model.tuned == is_tuned
                    assert bool(model.adapter) == (asked == "gpu")

    def test_a_batch_is_what_is_timed(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes: list[int] = []

        def answer(inputs: Any) -> Any:
            sizes.append(len(inputs))
            return bundles.answer(bundles.image(), inputs)

        doubles.install(monkeypatch, "litert", lambda model: doubles.SpySession(answer), BOTH)
        self._tuned(draft, batch=100)
        replayed = [bundles.SAMPLES, *[1] * bundles.SAMPLES]
        assert sizes == replayed * 4 + [100] * 4

    def test_no_gpu_is_a_line(self, draft: bundles.Draft, litert: doubles.Double) -> None:
        litert.adapter = None
        candidates = tune.tune(parse_bundle(draft.pack()), threads=[1], timer=_timer)
        assert [c.checked.status for c in candidates] == [PASSED] * 3 + [ABSENT] * 2
        with pytest.raises(DeviceUnavailable, match="has no variant made for the GPU"):
            tune.tune(parse_bundle(bundles.image().pack()), device="gpu")

    @pytest.mark.parametrize(
        ("adapter", "reason"),
        [
            (None, "is ignored: litert found no GPU; run strop tune again"),
            ("Intel Pan, Vulkan 1.3", f"timed on {GPU}, this is Intel Pan, Vulkan 1.3; run"),
        ],
    )
    def test_a_gpu_that_is_gone_is_said_and_the_cpu_runs(
        self,
        draft: bundles.Draft,
        path: Path,
        litert: doubles.Double,
        adapter: str | None,
        reason: str,
    ) -> None:
        self._tuned(draft, _timer_of_gpus)
        litert.adapter = adapter
        with pytest.warns(StropWarning) as caught:
            model = strop.load(path)
        assert (model.engine, model.device, model.tuned) == ("litert", "cpu", False)
        (warning,) = caught
        assert reason in str(warning.message)
        assert warning.filename == __file__

    @pytest.mark.parametrize(
        "change", [{"adapter": "Other"}, {"device": "gpu"}, {"device": "npu", "adapter": "a"}]
    )
    def test_a_table_that_mixes_devices_up_is_ignored(
        self, draft: bundles.Draft, path: Path, change: dict[str, str]
    ) -> None:
        self._tuned(draft)
        table = Path(str(tuned_path.table_path(parse_bundle(draft.pack()).digest)))
        content = json.loads(table.read_text("ascii"))
        content["rows"][0].update(change)
        table.write_text(json.dumps(content), "ascii")
        with pytest.warns(StropWarning, match="on a device that the file is not made for"):
            strop.load(path).close()


@pytest.mark.usefixtures("litert")
class TestCommand:
    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        np.save(tmp_path / "sample.npy", np.zeros((4, 4), np.uint8))
        return tmp_path / "sample.npy"

    def test_no_gpu_is_one_line_and_exit_2(
        self,
        path: Path,
        sample: Path,
        litert: doubles.Double,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        litert.adapter = None
        assert cli.main(["run", str(path), str(sample), "--device", "gpu"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("strop: device 'gpu' is not available: ")
        assert err.count("\n") == 1

    def test_auto_says_what_it_chose_and_why(
        self,
        path: Path,
        sample: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(tune, "side_by_side", _timer_of_gpus)
        monkeypatch.setattr(joined, "side_by_side", _timer_of_gpus)
        untold = "device auto: cpu, the default until strop tune has measured (with --batch for "
        assert cli.main(["run", str(path), str(sample), "--device", "auto"]) == 0
        err = capsys.readouterr().err
        assert f"float32 on litert 1.2.3, cpu, threads=1>\n{untold}" in err
        assert cli.main(["tune", str(path), "--device", "gpu", "--threads", "1"]) == 0
        *_, first, second, _, _, used, _ = capsys.readouterr().out.splitlines()
        assert first.endswith(f"  {GPU}")
        assert second.endswith(f"  {GPU}")
        winner = f"litert gpu float16 ({GPU}), threads=1"
        assert used == (
            f'strop.load and strop run use {winner} from now on where device="gpu" is asked for'
        )
        assert cli.main(["run", str(path), str(sample), "--device", "auto"]) == 0
        assert untold in capsys.readouterr().err
        assert cli.main(["tune", str(path), "--threads", "1"]) == 0
        used = capsys.readouterr().out.splitlines()[-2]
        assert used == f"strop.load and strop run use {winner} from now on"
        assert cli.main(["run", str(path), str(sample), "--device", "auto"]) == 0
        err = capsys.readouterr().err
        assert "device auto: gpu, as strop tune measured\n" in err

    def test_json_names_the_adapter(
        self, path: Path, sample: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked = ["run", str(path), str(sample), "--device", "gpu", "--json"]
        assert cli.main(asked) == 0
        model = json.loads(capsys.readouterr().out)["model"]
        assert (model["device"], model["adapter"]) == (f"gpu ({GPU})", GPU)
