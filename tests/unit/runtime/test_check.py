"""The replay of a bundle's proofs on this device."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strop import engines
from strop.bundle.file import parse_bundle
from strop.device import wheels
from strop.diagnostics.apart import spare_memory_bytes
from strop.diagnostics.check import check, failures, require
from strop.diagnostics.replay import ABSENT, BROKEN, FAILED, PASSED, CheckResult
from strop.engines.base import Engine
from strop.errors import (
    BundleError,
    DeviceUnavailable,
    EngineUnavailable,
    InputError,
    ParityError,
)
from tests import bundles
from tests.unit.runtime import boards, doubles

TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    doubles.uninstall(monkeypatch, "litert", "tflite", "onnx")


def _check(draft: bundles.Draft, **asked: Any) -> list[CheckResult]:
    return check(parse_bundle(draft.pack()), **asked)


def _with_double(
    monkeypatch: pytest.MonkeyPatch, change: Any = lambda outputs: outputs
) -> bundles.Draft:
    """The image bundle with an int8 variant on litert, whose answers are right plus `change`."""
    draft = bundles.image()
    right = bundles.image()
    draft.add_variant("tflite", "int8", ["litert"])
    doubles.install(
        monkeypatch,
        "litert",
        lambda model: doubles.SpySession(lambda inputs: change(bundles.answer(right, inputs))),
    )
    return draft


class TestVerdicts:
    def test_the_answers_proven_at_export_pass_with_figures(self) -> None:
        (result,) = _check(bundles.image())
        assert (result.engine, result.precision, result.format) == (
            *("reference", "float32", "weights"),
        )
        assert result.status == PASSED
        assert result.detail == np.__version__
        assert result.max_abs_error is not None
        assert result.max_abs_error <= TOLERANCE == result.tolerance
        assert result.keras_agreement == 1.0
        assert result.latency is not None
        assert 0 < result.latency.p50_us <= result.latency.p99_us

    @pytest.mark.parametrize("change", [2e-5, -2e-5])
    def test_slightly_wrong_answers_fail_with_figures(
        self, monkeypatch: pytest.MonkeyPatch, change: float
    ) -> None:
        draft = _with_double(monkeypatch, lambda outputs: outputs + np.array([0, 0, change]))
        passed, failed = _check(draft)
        assert (passed.status, failed.status) == (PASSED, FAILED)
        assert failed.max_abs_error == pytest.approx(2e-5, rel=0.02)
        assert failed.detail == (
            f"differs by {failed.max_abs_error:.3g} from the outputs proven at export, "
            "at most 1e-05 allowed"
        )
        assert failures([passed, failed]) == [failed]

    def test_an_error_within_the_tolerance_passes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert failures(_check(_with_double(monkeypatch, lambda outputs: outputs + 5e-6))) == []

    @pytest.mark.parametrize("row", range(bundles.SAMPLES))
    def test_one_wrong_sample_of_all_is_enough(
        self, monkeypatch: pytest.MonkeyPatch, row: int
    ) -> None:
        def change(outputs: Any) -> Any:
            if len(outputs) > 1:
                outputs[row, 1] += 1e-3
            return outputs

        assert _check(_with_double(monkeypatch, change))[1].status == FAILED

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_answers_that_are_not_finite_fail(
        self, monkeypatch: pytest.MonkeyPatch, value: float
    ) -> None:
        failed = _check(_with_double(monkeypatch, lambda outputs: outputs * 0 + value))[1]
        assert (failed.status, failed.max_abs_error) == (FAILED, math.inf)

    def test_disagreeing_with_keras_is_information_and_no_failure(self) -> None:
        draft = bundles.image()
        rolled = np.roll(bundles.answer(draft, np.zeros((bundles.SAMPLES, 4, 4))), 1, axis=1)
        draft.put(draft.content["golden"]["keras"][0], bundles.npy(rolled.astype(np.float32)))
        (result,) = _check(draft)
        assert result.status == PASSED
        assert result.keras_agreement is not None
        assert result.keras_agreement < 1

    def test_an_absent_engine_is_a_line_with_its_mend(self) -> None:
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert", "tflite"])
        results = _check(draft)
        assert [(r.engine, r.status) for r in results] == [
            ("reference", PASSED),
            ("litert", ABSENT),
            ("tflite", ABSENT),
        ]
        assert results[1].detail == ""
        assert results[1].mend == "pip install './strop-0.1.0-py3-none-any.whl[litert]'"
        assert (results[1].latency, results[1].max_abs_error) == (None, None)
        assert failures(results) == []

    def test_an_engine_of_the_future_is_a_line(self) -> None:
        draft = bundles.image()
        draft.add_variant("onnx", "float16", ["quantum"])
        assert (_check(draft)[1].status, _check(draft)[1].detail) == (
            *(ABSENT, "unknown to this strop"),
        )

    def test_an_engine_that_does_not_open_the_file_is_broken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise RuntimeError("no such opcode")

        draft = _with_double(monkeypatch)
        doubles.install(monkeypatch, "litert", refuse)
        result = _check(draft)[1]
        assert result.status == BROKEN
        assert result.detail.endswith(
            "does not open variants/int8.tflite: RuntimeError: no such opcode"
        )
        assert failures([result])

    def test_an_engine_that_fails_when_it_runs_is_broken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(outputs: Any) -> Any:
            raise RuntimeError("failed to invoke")

        result = _check(_with_double(monkeypatch, fail))[1]
        assert (result.status, result.detail) == (
            BROKEN,
            "shapes: engine litert 1.2.3 failed while running int8: RuntimeError: failed to invoke",
        )

    @pytest.mark.parametrize("columns", [1, 2])
    def test_an_engine_that_answers_in_another_shape_is_broken(
        self, monkeypatch: pytest.MonkeyPatch, columns: int
    ) -> None:
        result = _check(_with_double(monkeypatch, lambda outputs: outputs[:, :columns]))[1]
        assert (result.status, result.detail) == (BROKEN, f"gives (6, {columns}) instead of (6, 3)")

    @pytest.mark.parametrize("limit_s", [None, 60])
    def test_a_file_that_makes_no_number_of_its_samples_is_broken_and_the_rest_goes_on(
        self, monkeypatch: pytest.MonkeyPatch, limit_s: float | None
    ) -> None:
        draft = bundles.vector()
        draft.add_variant("tflite", "float16", ["litert"])
        draft.content["engines"] = ["litert", "reference"]
        doubles.install(
            monkeypatch,
            "litert",
            lambda model: doubles.SpySession(lambda inputs: np.full((len(inputs), 2), np.nan)),
        )
        nan, right = _check(draft, limit_s=limit_s)
        assert (nan.status, right.status) == (BROKEN, PASSED)
        assert nan.detail.startswith("gauge gives ")
        assert "arithmetic overflows" in nan.detail


# A result in JSON's types.
_PASSED = {
    **{"status": PASSED, "detail": "", "mend": ""},
    **{"max_abs_error": 0.0, "tolerance": 1e-5, "keras_agreement": 1.0},
    "latency": [1.0, 2.0, 3.0, 500],
}


def _segfault() -> None:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's own handler would print more
    os.kill(os.getpid(), signal.SIGSEGV)


def _take_all_memory() -> None:
    """Take more than the spare memory, without touching it: the kernel would usually allow it."""
    spare = spare_memory_bytes()
    assert spare is not None
    np.empty(spare + 2**28, np.uint8)


class TestApart:
    """Each engine on each file in a separate process."""

    def test_what_is_found_is_the_same(self) -> None:
        (here,), (apart,) = _check(bundles.image()), _check(bundles.image(), limit_s=60)
        assert apart.latency is not None
        assert here.latency is not None
        assert replace(apart, latency=None) == replace(here, latency=None)
        assert apart.latency.samples == here.latency.samples

    @pytest.mark.parametrize(
        ("deed", "words"),
        [
            (_segfault, "died of SIGSEGV (bad memory access)"),
            (signal.pause, "did not answer in 3 s"),
            (lambda: os._exit(3), "ended with exit 3 and no answer"),
            (
                _take_all_memory,
                "engine litert 1.2.3 failed while running int8: MemoryError",
            ),
        ],
    )
    def test_an_engine_that_does_not_live_through_it_is_a_line_and_the_rest_goes_on(
        self, monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object], words: str
    ) -> None:
        def change(outputs: Any) -> Any:
            deed()
            return outputs

        draft = _with_double(monkeypatch, change)
        draft.content["engines"] = ["litert", "reference"]
        bundle = parse_bundle(draft.pack())
        results = check(bundle, limit_s=3)
        assert [(r.engine, r.status) for r in results] == [
            ("litert", BROKEN),
            ("reference", PASSED),
        ]
        assert words in results[0].detail
        assert failures(results) == results[:1]

    def test_an_engine_that_dies_when_it_is_imported_is_a_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draft = _with_double(monkeypatch)
        monkeypatch.setattr(engines, "get", lambda name: _segfault())
        assert _check(draft, limit_s=60)[1].detail.startswith("died of SIGSEGV")

    def test_wrong_answers_that_are_not_finite_come_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failed = _check(_with_double(monkeypatch, lambda outputs: outputs * np.nan), limit_s=60)[1]
        assert (failed.status, failed.max_abs_error) == (FAILED, math.inf)

    def test_a_refusal_is_raised_as_what_it_is(self) -> None:
        draft = bundles.image()
        draft.put(draft.variant["golden"][0], bundles.npy(np.zeros((6, 1), np.float32)))
        with pytest.raises(BundleError, match=r"instead of float32 \(6, 3\); export again"):
            _check(draft, limit_s=60)

    @pytest.mark.parametrize(
        "told",
        [
            *(None, 7, "refused", [], ["refused"], {}),
            *({"refused": None}, {"refused": ["in one word"]}),
            {"status": "splendid", "detail": "", "mend": ""},
            {"status": [], "detail": "", "mend": ""},
            {"status": BROKEN, "detail": ""},
            {"status": PASSED, "detail": "", "mend": ""},
            {**_PASSED, "latency": None},
            {**_PASSED, "latency": [1, 2, 3]},
            {**_PASSED, "latency": [1, 2, 3, math.inf]},
            {**_PASSED, "tolerance": "much"},
            {**_PASSED, "status": FAILED, "max_abs_error": 10**400},
        ],
    )
    def test_an_answer_that_makes_no_sense_is_a_line(
        self, monkeypatch: pytest.MonkeyPatch, told: object
    ) -> None:
        monkeypatch.setattr("strop.diagnostics.check._as_json", lambda prove, choice: told)
        (result,) = _check(bundles.image(), limit_s=60)
        assert (result.status, result.detail) == (BROKEN, "gave an invalid answer")

    def test_an_engine_that_hung_is_not_tried_on_the_other_files(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draft = _with_double(monkeypatch, lambda outputs: signal.pause())
        for precision in ("float16", "float32"):
            draft.add_variant("tflite", precision, ["litert"])
        draft.content["engines"] = ["litert", "reference"]
        results = _check(draft, limit_s=1)
        assert [(r.engine, r.status) for r in results] == [
            *[("litert", BROKEN)] * 3,
            ("reference", PASSED),
        ]
        assert [r.detail for r in results[:3]] == [
            "did not answer in 1 s",
            *["not tried: it hung on variants/int8.tflite"] * 2,
        ]

    def test_what_an_engine_says_at_length_is_cut_short(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise RuntimeError("x" * 2**20)

        draft = _with_double(monkeypatch)
        doubles.install(monkeypatch, "litert", refuse)
        result = _check(draft, limit_s=60)[1]
        assert (result.status, len(result.detail)) == (BROKEN, 2000)

    def test_the_files_to_come_find_an_engine_imported_that_lived_through_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draft = _with_double(monkeypatch)
        draft.add_variant("tflite", "float16", ["litert"])
        asked, get = [], engines.get

        def spy(name: str) -> Engine:
            asked.append(name)
            return get(name)

        monkeypatch.setattr(engines, "get", spy)
        assert [r.status for r in _check(draft, limit_s=60)] == [PASSED] * 3
        assert asked == ["litert"]  # here; requests in another process stay there


class TestInsisting:
    def test_only_the_engine_asked_for_is_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        draft = _with_double(monkeypatch)
        assert [r.engine for r in _check(draft, engine="litert")] == ["litert"]

    def test_only_the_precision_asked_for_is_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        draft = _with_double(monkeypatch)
        assert [r.precision for r in _check(draft, precision="int8")] == ["int8"]

    def test_an_engine_asked_for_and_absent_is_an_error(self) -> None:
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        with pytest.raises(EngineUnavailable, match="'litert' is not installed"):
            _check(draft, engine="litert")

    @pytest.mark.parametrize("limit_s", [None, 60])
    def test_a_gpu_that_is_not_here_is_an_error_of_what_was_found(
        self, monkeypatch: pytest.MonkeyPatch, limit_s: float | None
    ) -> None:
        draft = bundles.image()
        for precision in ("float32", "float16"):
            draft.add_variant("onnx", precision, ["onnx"])["devices"] = ["cpu", "gpu"]
        draft.add_variant("tflite", "float16", ["litert"])["devices"] = ["cpu", "gpu"]
        draft.content["engines"] = ["onnx", "litert", "reference"]
        double = doubles.install(monkeypatch, "onnx", devices=("cpu", "gpu"))
        double.adapter = None
        opened, get = [], engines.get

        def spy(name: str) -> Engine:
            opened.append(name)
            return get(name)

        monkeypatch.setattr(engines, "get", spy)
        with pytest.raises(DeviceUnavailable) as caught:
            _check(draft, device="gpu", limit_s=limit_s)
        assert str(caught.value) == (
            "device 'gpu' is not available: onnx found no GPU; "
            "litert: not installed; pip install './strop-0.1.0-py3-none-any.whl[litert]'"
        )
        assert bool(opened) == (limit_s is None)  # otherwise only in the other process

    def test_a_precision_only_absent_engines_have_is_an_error(self) -> None:
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        with pytest.raises(EngineUnavailable, match=r"pip install './strop-.*\.whl\[litert\]'"):
            _check(draft, precision="int8")

    def test_advice_is_of_the_bundle_s_engines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wheels, "read", lambda: boards.PI_2)
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        assert _check(draft)[1].text.endswith("; use reference, which needs numpy alone")
        draft.add_variant("tflite", "float16", ["tflite"])
        assert _check(draft)[1].text.endswith("; use tflite")

    def test_a_precision_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(InputError, match="no int8 variant"):
            _check(bundles.image(), precision="int8")

    def test_no_engine_at_all_is_an_error_and_never_a_pass(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.uninstall(monkeypatch, "reference")
        with pytest.raises(EngineUnavailable, match="no engine for shapes-cpu is installed"):
            _check(bundles.image())

    def test_the_fake_proves_nothing_and_is_never_a_pass(self) -> None:
        with pytest.raises(EngineUnavailable, match="'fake' makes up its answers"):
            _check(bundles.image(), engine="fake")


class TestGolden:
    """Golden arrays that do not match the manifest fail the bundle, not the engine."""

    @pytest.mark.parametrize(
        ("which", "array", "found"),
        [
            ("inputs", np.zeros((5, 4, 4), np.uint8), "uint8 (5, 4, 4) instead of uint8 (6, 4, 4)"),
            ("inputs", np.zeros((6, 4, 5), np.uint8), "uint8 (6, 4, 5)"),
            ("inputs", np.zeros((6, 4, 4), np.float32), "float32 (6, 4, 4)"),
            ("keras", np.zeros((6, 4), np.float32), "float32 (6, 4) instead of float32 (6, 3)"),
            ("keras", np.zeros((6, 3), "U5"), "<U5 (6, 3)"),
            ("outputs", np.zeros((6, 1), np.float32), "float32 (6, 1) instead of float32 (6, 3)"),
            ("outputs", np.zeros((), np.float32), "float32 ()"),
            ("outputs", np.zeros((6, 3), np.float64), "float64 (6, 3)"),
        ],
    )
    def test_another_shape_or_dtype_is_named(self, which: str, array: Any, found: str) -> None:
        draft = bundles.image()
        golden = draft.content["golden"]
        draft.put(golden.get(which, draft.variant["golden"])[0], bundles.npy(array))
        with pytest.raises(BundleError) as caught:
            _check(draft)
        assert found in str(caught.value)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_inputs_that_are_not_finite_are_named(self, value: float) -> None:
        draft = bundles.vector()
        inputs = np.full((bundles.SAMPLES, 5), value, np.float32)
        draft.put(draft.content["golden"]["inputs"][0], bundles.npy(inputs))
        with pytest.raises(BundleError, match=r"inputs\.npy holds NaN or infinity; export again"):
            _check(draft)

    def test_another_number_of_samples_is_named(self) -> None:
        draft = bundles.image()
        draft.content["golden"]["samples"] = 7
        with pytest.raises(BundleError, match=r"instead of uint8 \(7, 4, 4\)"):
            _check(draft)


class TestRequire:
    def test_failures_raise_with_every_one_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        results = _check(_with_double(monkeypatch, lambda outputs: outputs + 0.5))
        with pytest.raises(ParityError, match=r"1 of 2 checks failed: litert int8: differs by 0.5"):
            require(results)

    def test_passes_and_absences_do_not(self) -> None:
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        require(_check(draft))
