"""Finding the fastest passing candidate: the candidates, the winner, and the command's output."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop import cli
from strop.bundle.file import parse_bundle
from strop.device import cpu
from strop.diagnostics import joined, tune
from strop.diagnostics.replay import BROKEN, FAILED, PASSED, CheckResult
from strop.diagnostics.timing import Latency
from strop.diagnostics.tune import NOISE, TuneResult
from strop.errors import BundleError, EngineUnavailable, InputError, ParityError
from tests import bundles
from tests.unit.runtime import doubles

Call = Callable[[], object]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, four cores, and only the reference engine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu, "this_cpu", lambda: cpu.Cpu("aarch64", "Pi 4", 4))
    doubles.uninstall(monkeypatch, "litert", "tflite", "onnx")
    return tmp_path / "cache" / "strop" / "tune"


@pytest.fixture
def draft(monkeypatch: pytest.MonkeyPatch) -> bundles.Draft:
    """int8 on litert, preferred and right, and float32 on the reference."""
    draft = bundles.image(engines=["litert", "reference"])
    draft.add_variant("tflite", "int8", ["litert"])
    _install_right(monkeypatch, "litert")
    return draft


def _install_right(
    monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Any], Any] = lambda x: x
) -> list[doubles.SpySession]:
    """Install an engine whose answers are right plus `change`, and return its sessions."""
    sessions: list[doubles.SpySession] = []

    def make(model: bytes) -> doubles.SpySession:
        right = bundles.image()
        session = doubles.SpySession(lambda inputs: change(bundles.answer(right, inputs)))
        sessions.append(session)
        return session

    doubles.install(monkeypatch, name, make)
    return sessions


def _timer(*relative: float) -> tune.Timer:
    """A timer that runs each call once and reports a given duration."""

    def compared(calls: Sequence[Call]) -> list[Latency]:
        for call in calls:
            call()
        return [
            Latency(10 * r, 20 * r, 30 * r, 1)
            for r, _ in zip(relative or [1.0] * len(calls), calls, strict=True)
        ]

    return compared


def _tuned(draft: bundles.Draft, *relative: float, **options: Any) -> list[tuple[str, int, str]]:
    candidates = tune.tune(parse_bundle(draft.pack()), timer=_timer(*relative), **options)
    return [(c.checked.engine, c.threads, c.checked.status) for c in candidates]


class TestCandidates:
    def test_every_proven_pair_is_tried_with_1_2_4_threads(self, draft: bundles.Draft) -> None:
        assert _tuned(draft, 1, 2, 3, 4) == [
            ("litert", 1, PASSED),
            ("litert", 2, PASSED),
            ("litert", 4, PASSED),
            ("reference", 1, PASSED),  # numpy ignores the request
        ]

    def test_an_engine_that_is_not_preferred_is_tried_and_may_win(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As `native` stands behind `litert` in bundles of convolutional models."""
        draft = bundles.image(engines=["litert", "native", "reference"])
        draft.add_variant("tflite", "int8", ["litert"])
        draft.add_variant("plan", "int8", ["native"])
        for name in ("litert", "native"):
            _install_right(monkeypatch, name)
        tried = _tuned(draft, 5, 4, 6, 3, 7, 8, 9)
        assert tried[:2] == [("native", 1, PASSED), ("litert", 2, PASSED)]
        equal = _tuned(draft, 3, 4, 6, 3, 7, 8, 9)
        assert equal[:2] == [("litert", 1, PASSED), ("native", 1, PASSED)]

    @pytest.mark.parametrize(
        ("cores", "counts"),
        [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])],
    )
    def test_threads_go_up_to_the_usable_cores(self, cores: int, counts: list[int]) -> None:
        assert tune._thread_counts(cores) == counts

    def test_the_threads_asked_for_are_tried(self, draft: bundles.Draft) -> None:
        tried = _tuned(draft, 1, 2, 3, threads=[4, 2, 4])
        assert [threads for _, threads, _ in tried] == [2, 4, 1]

    @pytest.mark.parametrize("count", [0, -1, 5, 10**9])
    def test_more_threads_than_cores_are_refused(self, draft: bundles.Draft, count: int) -> None:
        with pytest.raises(InputError, match=f"^{count} threads were asked for and this process"):
            _tuned(draft, threads=[1, count])

    def test_the_threads_reach_the_engine(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []

        def opened(self: object, model: bytes, variant: object, **asked: Any) -> Any:
            seen.append(asked)
            return doubles.SpySession(lambda inputs: bundles.answer(bundles.image(), inputs))

        monkeypatch.setattr(doubles.Double, "open", opened)
        _tuned(draft)
        assert seen == [{"device": "cpu", "threads": count} for count in (1, 2, 4)]

    def test_what_is_timed_is_one_sample_and_all_are_closed(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sessions = _install_right(monkeypatch, "litert")
        _tuned(draft)
        replayed = [bundles.SAMPLES, *[1] * bundles.SAMPLES]
        assert [[len(call) for call in s.calls] for s in sessions] == [[*replayed, 1]] * 3
        assert [s.closed for s in sessions] == [1] * 3

    def test_engines_that_are_absent_are_left_out(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.uninstall(monkeypatch, "litert")
        assert _tuned(draft) == [("reference", 1, PASSED)]

    def test_the_fake_and_engines_of_the_future_are_left_out(self) -> None:
        draft = bundles.image(engines=["fake", "quantum", "reference"])
        draft.add_variant("onnx", "float16", ["fake", "quantum"])
        assert _tuned(draft) == [("reference", 1, PASSED)]

    def test_no_engine_at_all_is_an_error(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.uninstall(monkeypatch, "litert", "reference")
        with pytest.raises(EngineUnavailable, match="no engine for shapes-cpu is installed"):
            _tuned(draft)

    def test_golden_arrays_that_are_none_condemn_the_bundle(self, draft: bundles.Draft) -> None:
        draft.put(draft.content["variants"][1]["golden"][0], bundles.npy(np.zeros(3)))
        with pytest.raises(BundleError, match="instead of float32"):
            _tuned(draft)

    def test_each_step_is_told(self, draft: bundles.Draft) -> None:
        lines: list[str] = []
        _tuned(draft, progress=lines.append)
        assert lines[0] == "checking litert int8, threads=1, 1 of 4"
        assert len(lines) == 4


class TestFailures:
    """A fast but wrong candidate does not win."""

    def test_one_that_answers_wrongly_is_a_line_and_is_not_timed(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sessions = _install_right(monkeypatch, "litert", lambda outputs: outputs + 0.5)
        assert _tuned(draft, 1.0) == [
            ("reference", 1, PASSED),
            *(("litert", count, FAILED) for count in (1, 2, 4)),
        ]
        assert [s.closed for s in sessions] == [1] * 3
        assert [len(s.calls) for s in sessions] == [1 + bundles.SAMPLES] * 3

    def test_one_that_answers_wrongly_with_more_threads_alone(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number = 0

        def make(model: bytes) -> doubles.SpySession:
            nonlocal number
            number += 1
            wrong = 0.5 if number == 2 else 0
            return doubles.SpySession(lambda x: bundles.answer(bundles.image(), x) + wrong)

        doubles.install(monkeypatch, "litert", make)
        assert _tuned(draft, 3, 2, 1, threads=[1, 2, 3]) == [
            *(("reference", 1, PASSED), ("litert", 3, PASSED), ("litert", 1, PASSED)),
            ("litert", 2, FAILED),
        ]

    @pytest.mark.parametrize("when", ["opening", "running"])
    def test_one_that_breaks_is_a_line(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        def fail(anything: Any) -> Any:
            raise RuntimeError("no such opcode")

        doubles.install(
            monkeypatch, "litert", fail if when == "opening" else lambda _: doubles.SpySession(fail)
        )
        candidates = tune.tune(parse_bundle(draft.pack()), threads=[2], timer=_timer())
        assert [c.checked.status for c in candidates] == [PASSED, BROKEN]
        assert "no such opcode" in candidates[1].checked.detail
        assert candidates[1].version == (None if when == "opening" else "1.2.3")

    def test_one_that_does_not_import_is_a_single_line(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.install(monkeypatch, "litert")
        monkeypatch.setitem(sys.modules, "strop.engines.litert", None)
        assert _tuned(draft) == [("reference", 1, PASSED), ("litert", 1, BROKEN)]

    def test_where_nothing_passes_there_is_no_winner(
        self, draft: bundles.Draft, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _install_right(monkeypatch, "litert", lambda outputs: outputs + 0.5)
        doubles.uninstall(monkeypatch, "reference")
        candidates = tune.tune(parse_bundle(draft.pack()), threads=[1, 2])
        assert tune.rows(candidates) == []
        with pytest.raises(ParityError, match="none of 2 candidates gives the outputs proven"):
            tune.require_winner(candidates)


def _candidates(*p50_us: float) -> list[TuneResult]:
    """Timed candidates, named by their threads, in order of preference."""
    result = CheckResult("litert", "int8", "tflite", "cpu", PASSED, "")
    timed = [replace(result, latency=Latency(us, us, us, 1)) for us in p50_us]
    return [TuneResult("f", i, "1", "", checked) for i, checked in enumerate(timed)]


class TestRanking:
    """The fastest wins; among candidates within the noise, the preferred one."""

    @pytest.mark.parametrize(
        ("p50_us", "order"),
        [
            ([1.0], [0]),
            ([3.0, 1.0, 2.0], [1, 2, 0]),
            ([1.0, 1.0, 1.0], [0, 1, 2]),
            ([1 + NOISE * 0.9, 1.0], [0, 1]),
            ([1 + NOISE * 1.1, 1.0], [1, 0]),
            ([2.0, 1 + NOISE * 0.9, 1.0, 1.99], [1, 2, 0, 3]),
            # Each is close to the next, but the first is far from the last.
            ([1.08, 1.04, 1.0], [1, 2, 0]),
        ],
    )
    def test_order(self, p50_us: list[float], order: list[int]) -> None:
        assert [c.threads for c in tune.ranked(_candidates(*p50_us))] == order

    def test_the_bundles_order_then_fewer_threads_is_what_is_preferred(
        self, draft: bundles.Draft
    ) -> None:
        assert [n for _, n, _ in _tuned(draft, 1.04, 1.02, 1.0, 1.01)] == [1, 2, 4, 1]
        draft.content["engines"].reverse()
        assert _tuned(draft, 1.04, 1.02, 1.0, 1.01)[0] == ("reference", 1, PASSED)


Strop = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Strop:
    """Run the command in this process, with a timer by which litert's second thread is best."""

    def quick(calls: Sequence[Call], **_: object) -> list[Latency]:
        return _timer(*[1.5, 1.0, 2.0, 4.0][: len(calls)])(calls)

    monkeypatch.setattr(tune, "side_by_side", quick)
    monkeypatch.setattr(joined, "side_by_side", quick)

    def command(*arguments: object) -> tuple[int, str, str]:
        status = cli.main([str(argument) for argument in arguments])
        return (status, *capsys.readouterr())

    return command


class TestCommand:
    @pytest.fixture
    def path(self, tmp_path: Path, draft: bundles.Draft) -> Path:
        return draft.write(tmp_path / "shapes.strop")

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        np.save(tmp_path / "sample.npy", np.zeros((4, 4), np.uint8))
        return tmp_path / "sample.npy"

    def test_the_table_the_winner_and_where_it_is_remembered(
        self, call: Strop, path: Path, cache: Path
    ) -> None:
        status, out, err = call("tune", path)
        assert (status, err) == (0, "")
        place, header, *lines, times, ratio, used, where = out.splitlines()
        assert place == "on Pi 4"
        assert header.split("  ")[0] == "rank"
        assert [line.split() for line in lines] == [
            ["1", "litert", "1.2.3", "int8", "tflite", "2", "passed", "10.0", "20.0", "1.00"],
            ["2", "litert", "1.2.3", "int8", "tflite", "1", "passed", "15.0", "30.0", "1.50"],
            ["3", "litert", "1.2.3", "int8", "tflite", "4", "passed", "20.0", "40.0", "2.00"],
            [
                *("4", "reference", np.__version__, "float32", "weights", "1", "passed"),
                *("40.0", "80.0", "4.00"),
            ],
        ]
        assert times == "p50, p95: a call of batch 1, corrected for the machine's slow spells"
        assert ratio.startswith("x winner: p50 / p50 of rank 1; within 5% is equally fast")
        assert used == "strop.load and strop run use litert int8, threads=2 from now on"
        (file,) = cache.iterdir()
        assert where == f"remembered in {file}; delete it to forget"

    def test_kept_to_a_device_it_says_for_whom_the_winner_is(
        self, call: Strop, path: Path, cache: Path
    ) -> None:
        *_, used, _ = call("tune", path, "--device", "cpu")[1].splitlines()
        end = 'litert int8, threads=2 from now on where device="cpu" is asked for'
        assert used == f"strop.load and strop run use {end}"
        (file,) = cache.iterdir()
        assert json.loads(file.read_text("ascii"))["device"] == "cpu"
        assert json.loads(call("tune", path, "--device", "cpu", "--json")[1])["device"] == "cpu"

    def test_whoever_watches_sees_each_step(
        self, call: Strop, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        _, *steps = call("tune", path)[2].split("\r\033[K")
        assert steps[0] == "checking litert int8, threads=1, 1 of 4"
        assert steps[-1] == ""  # the progress line is cleared

    def test_load_run_and_bench_use_the_winner_and_say_so(
        self, call: Strop, path: Path, sample: Path
    ) -> None:
        call("tune", path)
        said = "<strop.Model shapes v1: int8 on litert 1.2.3, cpu, threads=2, tuned>"
        with strop.load(path) as model:
            assert repr(model) == said
        assert call("run", path, sample)[2] == f"{said}\n"
        assert call("bench", path, "--samples", 5)[1].splitlines()[1] == said
        model = json.loads(call("run", path, sample, "--json")[1])["model"]
        assert (model["engine"], model["threads"], model["tuned"]) == ("litert", 2, True)
        asked = ("--engine", "reference", "--threads", 3)
        model = json.loads(call("run", path, sample, *asked, "--json")[1])["model"]
        assert (model["engine"], model["threads"], model["tuned"]) == ("reference", 3, False)

    def test_check_is_not_concerned(self, call: Strop, path: Path, cache: Path) -> None:
        before = call("check", path)[1].splitlines()
        call("tune", path)
        (file,) = cache.iterdir()
        file.write_bytes(b"noise")
        status, out, err = call("check", path)
        assert (status, err, len(out.splitlines())) == (0, "", len(before))

    def test_a_table_that_is_ignored_is_one_line_and_no_failure(
        self, call: Strop, path: Path, sample: Path, cache: Path
    ) -> None:
        call("tune", path)
        (file,) = cache.iterdir()
        file.write_bytes(b"noise")
        for _ in range(2):
            status, out, err = call("run", path, sample)
            assert (status, out.split()[1]) == (0, "circle")
            warning, model = err.splitlines()
            assert warning.startswith(
                "strop: warning: what strop tune found for shapes-cpu is ignored: it is not JSON"
            )
            assert warning.endswith(f"; run strop tune again, or delete {file}")
            assert model.endswith("cpu, threads=1>")

    def test_json_has_the_same_and_more(self, call: Strop, path: Path, cache: Path) -> None:
        status, out, _ = call("tune", path, "--json")
        content = json.loads(out)
        assert status == 0
        assert content["cpu"] == {"machine": "aarch64", "model": "Pi 4", "cores": 4}
        assert (content["batch"], content["device"]) == (1, "auto")
        assert content["remembered"] == str(cache / f"{content['digest']}.json")
        assert [c["rank"] for c in content["candidates"]] == [1, 2, 3, 4]
        best = content["candidates"][0]
        assert best.pop("max_abs_error") < 1e-5
        assert best == {
            **{"rank": 1, "engine": "litert", "engine_version": "1.2.3", "precision": "int8"},
            **{"format": "tflite", "file": "variants/int8.tflite", "threads": 2},
            **{"device": "cpu", "adapter": ""},
            **{"status": "passed", "detail": "1.2.3", "mend": ""},
            **{"p50_us": 10.0, "p95_us": 20.0, "samples": 1, "ratio": 1.0},
        }

    def test_a_failure_is_a_line_and_no_winner(
        self, call: Strop, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _install_right(monkeypatch, "litert", lambda outputs: outputs * np.inf)
        status, out, _ = call("tune", path, "--threads", "1,2")
        assert status == 0
        assert out.splitlines()[2].split()[:2] == ["1", "reference"]
        failed = out.splitlines()[3].split()
        assert failed[:10] == [
            *("-", "litert", "1.2.3", "int8", "tflite", "1", "FAILED", "-", "-", "-"),
        ]
        candidates = json.loads(call("tune", path, "--json")[1])["candidates"]
        assert [c["max_abs_error"] for c in candidates[1:]] == [None] * 3
        with strop.load(path) as model:
            assert (model.engine, model.tuned) == ("reference", True)

    @pytest.mark.parametrize("option", [(), ("--json",)])
    def test_where_nothing_passes_it_exits_with_1_and_nothing_is_remembered(
        self,
        call: Strop,
        path: Path,
        cache: Path,
        monkeypatch: pytest.MonkeyPatch,
        option: tuple[str, ...],
    ) -> None:
        _install_right(monkeypatch, "litert", lambda outputs: outputs + 0.5)
        doubles.uninstall(monkeypatch, "reference")
        status, out, err = call("tune", path, *option)
        assert status == 1
        assert out.count("FAILED") == 3
        assert "remembered in" not in out
        assert err == (
            "strop: none of 3 candidates gives the outputs proven at export, so none is "
            "remembered; run strop check, which says more\n"
        )
        assert not cache.exists()

    @pytest.mark.parametrize("option", [(), ("--json",)])
    def test_what_cannot_be_remembered_is_printed_all_the_same_and_2(
        self, call: Strop, path: Path, cache: Path, option: tuple[str, ...]
    ) -> None:
        cache.parent.parent.write_bytes(b"no folder")
        status, out, err = call("tune", path, *option)
        assert status == 2
        assert out.count("passed") == 4
        assert "from now on" not in out
        assert err.startswith(f"strop: the winner cannot be remembered in {cache}/")
        assert err.endswith("set XDG_CACHE_HOME to a folder that can be written\n")
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("5", "5 threads were asked for and this process may use 4 CPUs; ask for 1 to 4"),
            ("0", "argument --threads: '0' is not a whole number of 1 or more"),
            ("1,,2", "argument --threads: '' is not a whole number of 1 or more"),
            ("1,two", "argument --threads: 'two' is not a whole number of 1 or more"),
        ],
    )
    def test_threads_that_cannot_be(
        self, path: Path, capsys: pytest.CaptureFixture[str], value: str, message: str
    ) -> None:
        try:
            status: Any = cli.main(["tune", str(path), "--threads", value])
        except SystemExit as end:  # argparse's way
            status = end.code
        out, err = capsys.readouterr()
        assert (status, out) == (2, "")
        assert err.startswith(f"strop: {message}")
        assert err.count("\n") == 1

    def test_it_runs_as_people_run_it(self, tmp_path: Path) -> None:
        """Real timings, on the reference."""
        path = bundles.image().write(tmp_path / "a.strop")
        command = [sys.executable, "-m", "strop", "tune", str(path), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        (only,) = json.loads(done.stdout)["candidates"]
        assert (only["engine"], only["threads"], only["ratio"]) == ("reference", 1, 1.0)
        assert 0 < only["p50_us"] <= only["p95_us"]

    def test_two_at_once_leave_one_whole_table(self, tmp_path: Path, cache: Path) -> None:
        path = bundles.image().write(tmp_path / "a.strop")
        command = [sys.executable, "-m", "strop", "tune", str(path)]
        both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0]
        (file,) = cache.iterdir()
        assert json.loads(file.read_bytes())["rows"]
        assert file.stat().st_mode & 0o777 == 0o600
