"""The command on the device: its output, its exit status, and its errors."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.bundle.open import open_bundle
from strop.cli import main
from strop.commands import run
from strop.device import cpu
from strop.model.arrays import read_inputs
from tests import bundles
from tests.unit.runtime import doubles
from tests.unit.runtime.test_bundle import Trap

BOARD = "a Pi Zero, emulated by QEMU"
ZEROS = np.zeros((4, 4), np.uint8)


class Done:
    """The output and exit status of a command."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        assert self.status in (0, 1), self.err
        return json.loads(self.out)

    def refusal(self) -> str:
        """The one-line error of an impossible request."""
        assert self.status == 2
        assert self.out == ""
        assert self.err.startswith("strop: ")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        return self.err[len("strop: ") : -1]


Strop = Callable[..., Done]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Strop:
    """The command, run in this process."""

    def command(*arguments: object) -> Done:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse's way
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return command


def _process(*arguments: object, **options: Any) -> Done:
    """The command, run in a process of its own."""
    environment = {**os.environ, "PYTHONIOENCODING": "", **options.pop("env", {})}
    done = subprocess.run(
        [sys.executable, "-m", "strop", *map(str, arguments)],
        capture_output="stdout" not in options,
        stderr=subprocess.PIPE if "stdout" in options else None,
        text=True,
        check=False,
        env=environment,
        **options,
    )
    return Done(done.returncode, done.stdout or "", done.stderr)


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's name in commands that time something."""
    monkeypatch.setattr(cpu, "this_cpu", lambda: cpu.Cpu("armv6l", BOARD, 1))


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    np.save(tmp_path / "sample.npy", ZEROS)
    return tmp_path / "sample.npy"


@pytest.fixture
def wrong_path(tmp_path: Path) -> Path:
    """A bundle whose golden outputs are not what the reference answers."""
    draft = bundles.image()
    outputs = bundles.npy(np.full((bundles.SAMPLES, 3), 0.5, np.float32))
    draft.put(draft.variant["golden"][0], outputs)
    return draft.write(tmp_path / "wrong.strop")


class TestHelp:
    def test_no_command_is_help(self, call: Strop) -> None:
        done = call()
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("usage: strop ")
        assert done.out == call("help").out == call("--help").out

    def test_of_a_command(self, call: Strop) -> None:
        done = call("help", "check")
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("usage: strop check ")
        assert done.out == call("check", "--help").out

    @pytest.mark.parametrize("flag", ["-V", "--version"])
    def test_the_version(self, call: Strop, flag: str) -> None:
        assert call(flag).out == f"strop {strop.__version__}\n"


class TestInfo:
    def test_it_says_what_is_in_the_bundle_and_what_was_proven(
        self, call: Strop, image_path: Path
    ) -> None:
        done = call("info", image_path)
        assert (done.status, done.err) == (0, "")
        for part in (
            "shapes v1 for cpu",
            f"digest   {open_bundle(image_path).digest}",
            "signed   by nobody",
            "input    image: uint8 (N, 4, 4), 0..255, pictures: L, flatten, invert, fit",
            "output   probabilities: float32 (N, 3), 0..1, class, labels circle square star",
            "engines  reference (installed)",
            "float32    weights  reference 2",
        ):
            assert part in done.out

    def test_absent_and_unknown_engines_are_marked(
        self, call: Strop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.uninstall(monkeypatch, "litert")
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert", "quantum"])
        done = call("info", draft.write(tmp_path / "a.strop"))
        assert "reference (installed), litert (absent), quantum (absent)" in done.out

    def test_json_is_the_digest_the_signature_and_the_manifest(
        self, call: Strop, image_path: Path
    ) -> None:
        assert call("info", image_path, "--json").json == {
            "digest": open_bundle(image_path).digest,
            "signature": None,
            "manifest": bundles.image().content,
        }


class TestRun:
    def test_each_sample_is_named_on_a_line(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        np.save(tmp_path / "two.npy", np.stack([ZEROS, ZEROS]))
        done = call("run", image_path, sample, tmp_path / "two.npy")
        assert done.status == 0
        lines = [line.split() for line in done.out.splitlines()]
        assert lines == [
            [name, "circle", "0.7038"]
            for name in (str(sample), f"{tmp_path}/two.npy[0]", f"{tmp_path}/two.npy[1]")
        ]
        assert done.err.startswith("<strop.Model shapes v1: float32 on reference")

    def test_json_has_the_model_and_each_prediction(
        self, call: Strop, image_path: Path, sample: Path
    ) -> None:
        done = call("run", image_path, sample, "--json").json
        assert done["model"] == {
            "name": "shapes",
            "version": 1,
            "engine": "reference",
            "engine_version": np.__version__,
            "device": "cpu",
            "adapter": "",
            "precision": "float32",
            "threads": 1,
            "tuned": False,
        }
        (best,) = done["predictions"]
        assert (best["input"], best["label"]) == (str(sample), "circle")
        assert set(best["probabilities"]) == set(bundles.LABELS)
        assert best["probability"] == max(best["probabilities"].values())

    def test_a_bad_file_is_one_line_and_the_others_go_on(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "bad.npy").write_bytes(b"noise")
        np.save(tmp_path / "shape.npy", np.zeros((9, 9), np.uint8))
        gone = tmp_path / "gone.npy"
        files = (gone, sample, tmp_path / "bad.npy", tmp_path / "shape.npy", sample)
        done = call("run", image_path, *files)
        assert done.status == 1
        assert [line.split() for line in done.out.splitlines()] == [
            [str(sample), "circle", "0.7038"]
        ] * 2
        said = [line for line in done.err.splitlines() if line.startswith("strop: ")]
        assert said[0] == f"strop: cannot read {gone}: No such file or directory"
        assert said[1].startswith(f"strop: {tmp_path}/bad.npy is not an .npy array")
        assert said[2].startswith(f"strop: {tmp_path}/shape.npy: shapes takes ")
        assert len(said) == 3

    def test_the_samples_of_a_file_line_up(
        self, call: Strop, image_path: Path, tmp_path: Path
    ) -> None:
        np.save(tmp_path / "many.npy", np.zeros((11, 4, 4), np.uint8))
        done = call("run", image_path, tmp_path / "many.npy")
        assert len({line.index("circle") for line in done.out.splitlines()}) == 1

    def test_so_it_is_in_json(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        gone = tmp_path / "gone.npy"
        done = call("run", image_path, gone, sample, "--json")
        assert done.status == 1
        assert [one["input"] for one in done.json["predictions"]] == [str(sample)]
        assert done.json["errors"] == [
            {
                "input": str(gone),
                "kind": "input",
                "problem": f"cannot read {gone}: No such file or directory",
                "mend": "",
            }
        ]
        done = call("run", image_path, gone, "--json")
        assert done.status == 2
        assert json.loads(done.out)["predictions"] == []

    def test_output_with_bad_files_writes_nothing_and_names_them_all(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        names = [tmp_path / "gone.npy", sample, tmp_path / "lost.npy"]
        output = tmp_path / "out.npy"
        done = call("run", image_path, *names, "--output", output, "--json")
        assert done.status == 2
        assert [Path(one["input"]).name for one in json.loads(done.out)["errors"]] == [
            *("gone.npy", "lost.npy")
        ]
        assert json.loads(done.out)["output"] is None
        assert not output.exists()

    def test_a_result_is_printed_before_the_next_file_is_read(
        self,
        image_path: Path,
        sample: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        printed: list[str] = []

        def read(path: str, specs: Any) -> Any:
            printed.append(capsys.readouterr().out)
            return read_inputs(path, specs)

        monkeypatch.setattr(run, "read_inputs", read)
        main(["run", str(image_path), str(sample), str(sample)])
        assert printed[0] == ""
        assert printed[1].split() == [str(sample), "circle", "0.7038"]

    def test_output_is_an_array_of_all_samples(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "out.npy"
        done = call("run", image_path, sample, sample, "--output", output)
        assert done.out.startswith(f"{output}: 2 outputs of <strop.Model shapes")
        expected = bundles.answer(bundles.image(), np.stack([ZEROS, ZEROS]))
        np.testing.assert_allclose(np.load(output), expected, atol=1e-5)
        assert np.load(output).dtype == np.float32
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            *("out.npy", "sample.npy", "shapes.strop"),
        ]

    def test_output_with_json_says_where(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "out.npy"
        done = call("run", image_path, sample, "--output", output, "--json").json
        assert done["output"] == str(output)
        assert done["model"]["engine"] == "reference"

    def test_what_is_insisted_on_is_had(self, call: Strop, image_path: Path, sample: Path) -> None:
        asked = ("--engine", "fake", "--device", "cpu", "--precision", "float32", "--threads", "2")
        model = call("run", image_path, sample, *asked, "--json").json["model"]
        assert (model["engine"], model["threads"]) == ("fake", 2)


class TestCheck:
    def test_a_pass_is_a_table_and_zero(self, call: Strop, image_path: Path) -> None:
        done = call("check", image_path)
        assert (done.status, done.err) == (0, "")
        place, header, line, summary = done.out.splitlines()
        assert place == f"on {BOARD}"
        assert header.split() == [
            *("engine", "precision", "format", "status", "max", "error", "Keras", "p50", "us"),
        ]
        assert line.split()[:4] == ["reference", "float32", "weights", "passed"]
        assert summary == (
            "1 of 1 variants on installed engines give the outputs proven at export, "
            "on 6 golden samples"
        )

    def test_a_failure_is_named_with_figures_and_one(self, call: Strop, wrong_path: Path) -> None:
        done = call("check", wrong_path)
        assert (done.status, done.err) == (1, "")
        assert "FAILED" in done.out
        assert "from the outputs proven at export, at most 1e-05 allowed" in done.out
        assert "0 of 1 variants" in done.out

    def test_a_broken_engine_is_one_line_of_the_table_and_one(
        self, call: Strop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise RuntimeError("no such opcode\nNode\x1bnumber 3\x9b2J failed to prepare")

        doubles.install(monkeypatch, "litert", refuse)
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        done = call("check", draft.write(tmp_path / "a.strop"))
        assert done.status == 1
        assert len(done.out.splitlines()) == 5
        assert "BROKEN" in done.out
        assert "no such opcode Node\\x1bnumber 3\\x9b2J failed" in done.out
        assert "1 of 2 variants on installed engines" in done.out

    def test_an_engine_that_hangs_is_one_line_after_the_time_given(
        self, call: Strop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def hang(model: bytes) -> doubles.SpySession:
            signal.pause()
            raise AssertionError

        doubles.install(monkeypatch, "litert", hang)
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        done = call("check", draft.write(tmp_path / "a.strop"), "--timeout", 1)
        assert (done.status, done.err) == (1, "")
        assert "BROKEN" in done.out
        assert "did not answer in 1 s" in done.out

    def test_an_absent_engine_is_a_line_and_zero(
        self, call: Strop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubles.uninstall(monkeypatch, "litert")
        draft = bundles.image()
        draft.add_variant("tflite", "int8", ["litert"])
        done = call("check", draft.write(tmp_path / "a.strop"))
        assert done.status == 0
        assert "absent" in done.out
        assert "pip install './strop-0.1.0-py3-none-any.whl[litert]'" in done.out
        assert "1 of 1 variants on installed engines" in done.out

    @pytest.mark.parametrize("passes", [True, False])
    def test_json_has_the_verdict_and_every_figure(
        self, call: Strop, image_path: Path, wrong_path: Path, passes: bool
    ) -> None:
        done = call("check", image_path if passes else wrong_path, "--json")
        assert done.status == (0 if passes else 1)
        assert done.json["passed"] is passes
        assert len(done.json["digest"]) == 64
        assert done.json["cpu"] == {"machine": "armv6l", "model": BOARD, "cores": 1}
        (result,) = done.json["results"]
        assert result["status"] == ("passed" if passes else "FAILED")
        assert set(result["latency"]) == {"p50_us", "p95_us", "p99_us", "samples"}
        assert result["tolerance"] == 1e-5


class TestBench:
    def test_it_says_what_ran_and_how_long(self, call: Strop, image_path: Path) -> None:
        done = call("bench", image_path, "--samples", 20, "--batch", 3)
        assert (done.status, done.err) == (0, "")
        place, model, figures = done.out.splitlines()
        assert place == f"on {BOARD}"
        assert model.startswith("<strop.Model shapes")
        assert figures.startswith("predict, batch 3, 20 calls: p50 ")

    def test_json_has_the_percentiles_in_order(self, call: Strop, image_path: Path) -> None:
        done = call("bench", image_path, "--samples", 20, "--json").json
        assert (done["batch"], done["samples"]) == (1, 20)
        assert 0 < done["p50_us"] <= done["p95_us"] <= done["p99_us"]
        assert done["model"]["engine"] == "reference"
        assert done["cpu"] == {"machine": "armv6l", "model": BOARD, "cores": 1}

    def test_a_board_without_a_name_is_not_mentioned(
        self, call: Strop, image_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cpu, "this_cpu", lambda: cpu.Cpu("armv6l", "", 1))
        assert call("bench", image_path, "--samples", 20).out.startswith("<strop.Model shapes")
        assert call("check", image_path).out.startswith("engine ")


class TestRefusals:
    """Exit 2, one line, no traceback, and nothing on stdout."""

    COMMANDS = ("info", "run", "check", "bench", "tune")

    @staticmethod
    def _arguments(command: str, bundle: object, sample: Path) -> list[object]:
        return [command, bundle, *([sample] if command == "run" else [])]

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_missing_bundle(
        self, call: Strop, command: str, tmp_path: Path, sample: Path
    ) -> None:
        done = call(*self._arguments(command, tmp_path / "gone.strop", sample))
        assert (
            done.refusal() == f"cannot read bundle {tmp_path}/gone.strop: No such file or directory"
        )

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_folder_for_a_bundle(
        self, call: Strop, command: str, tmp_path: Path, sample: Path
    ) -> None:
        done = call(*self._arguments(command, tmp_path, sample))
        assert done.refusal().startswith(f"nothing is installed in {tmp_path}; ")

    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "noise"])
    def test_a_damaged_bundle(
        self, call: Strop, command: str, damage: str, image_path: Path, sample: Path
    ) -> None:
        data = bytearray(image_path.read_bytes())
        data[1000] ^= 4
        path = image_path
        path.write_bytes(
            {
                "empty": b"",
                "truncated": path.read_bytes()[:-1],
                "flipped": bytes(data),
                "noise": b"\x00\xff" * 400,
            }[damage]
        )
        done = call(*self._arguments(command, path, sample))
        assert done.refusal().startswith(f"bundle {path} refused: damaged or not a bundle")

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_bundle_tampered_with_by_one_who_knows_the_format(
        self, call: Strop, command: str, tmp_path: Path, sample: Path
    ) -> None:
        draft = bundles.image()
        draft.files[draft.variant["file"]] = draft.files[draft.variant["file"]][:-1] + b"\1"
        path = draft.write(tmp_path / "evil.strop")
        message = call(*self._arguments(command, path, sample)).refusal()
        assert "float32.npz is not the file the manifest lists: hash differs" in message

    @pytest.mark.parametrize("command", ["run", "check", "bench"])
    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--engine", "tpu", "there is no engine 'tpu'; ask for one of native, litert, tflite"),
            ("--engine", "litert", "shapes-cpu is not proven on litert; ask for reference"),
            ("--precision", "int4", "there is no precision 'int4'; ask for one of float32"),
            ("--precision", "int8", "shapes-cpu has no int8 variant; ask for float32"),
            ("--device", "npu", "there is no device 'npu'; ask for one of cpu, gpu, auto"),
            (
                "--device",
                "gpu",
                "shapes-cpu has no variant made for the GPU; export it for a target",
            ),
            ("--threads", "0", "argument --threads: '0' is not a whole number of 1 or more"),
            ("--threads", "two", "argument --threads: 'two' is not a whole number of 1 or more"),
            ("--threads", "9" * 5000, "is not a whole number of 1 or more"),
        ],
    )
    def test_what_cannot_be_had(
        self,
        call: Strop,
        command: str,
        option: str,
        value: str,
        message: str,
        image_path: Path,
        sample: Path,
    ) -> None:
        done = call(*self._arguments(command, image_path, sample), option, value)
        if command == "check" and option == "--threads":
            message = f"unrecognized arguments: {option} {value}"
        assert message in done.refusal()

    def test_a_fake_check(self, call: Strop, image_path: Path) -> None:
        assert (
            "'fake' makes up its answers" in call("check", image_path, "--engine", "fake").refusal()
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (np.full((1, 4, 4), np.nan, np.float32), "float32 (1, 4, 4) with values that are not"),
            (np.zeros((1, 4, 4)), "float64 (1, 4, 4) in 0..1; give raw pixels"),
            (np.zeros((2, 5, 4), np.uint8), "got shape (2, 5, 4)"),
            (np.zeros((0, 4, 4), np.uint8), "got an empty batch"),
        ],
    )
    def test_an_array_the_model_does_not_take(
        self, call: Strop, image_path: Path, tmp_path: Path, content: Any, message: str
    ) -> None:
        np.save(tmp_path / "a.npy", content)
        assert message in call("run", image_path, tmp_path / "a.npy").refusal()

    def test_floats_that_are_not_finite(
        self, call: Strop, vector_path: Path, tmp_path: Path
    ) -> None:
        np.save(tmp_path / "a.npy", np.full(5, np.nan))
        message = call("run", vector_path, tmp_path / "a.npy").refusal()
        assert message == f"{tmp_path}/a.npy: gauge takes finite values; got NaN or infinity"

    @pytest.mark.parametrize("content", [b"", b"noise", bundles.npy(ZEROS)[:-1]])
    def test_a_bad_array_file(
        self, call: Strop, image_path: Path, tmp_path: Path, content: bytes
    ) -> None:
        path = tmp_path / "a.npy"
        path.write_bytes(content)
        assert f"{path} is not an .npy array" in call("run", image_path, path).refusal()

    def test_a_pickle_for_an_array_is_not_run(
        self, call: Strop, image_path: Path, tmp_path: Path
    ) -> None:
        made, path = tmp_path / "made by a pickle", tmp_path / "a.npy"
        np.save(path, np.array([Trap(made)], dtype=object), allow_pickle=True)
        assert "is not an .npy array" in call("run", image_path, path).refusal()
        assert not made.exists()

    def test_a_missing_input(self, call: Strop, image_path: Path, tmp_path: Path) -> None:
        message = call("run", image_path, tmp_path / "gone.npy").refusal()
        assert message == f"cannot read {tmp_path}/gone.npy: No such file or directory"

    def test_a_picture_without_pillow(
        self, call: Strop, image_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        message = call("run", image_path, tmp_path / "a.png").refusal()
        assert message.endswith(
            "not installed; pip install './strop-0.1.0-py3-none-any.whl[images]'"
        )

    def test_a_picture_for_a_model_of_measurements(
        self, call: Strop, vector_path: Path, tmp_path: Path
    ) -> None:
        assert "takes no pictures" in call("run", vector_path, tmp_path / "a.png").refusal()

    def test_an_engine_whose_complaint_runs_over_lines(
        self, call: Strop, tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(model: bytes) -> doubles.SpySession:
            raise RuntimeError("first\nsecond")

        doubles.install(monkeypatch, "reference", refuse)
        path = bundles.image().write(tmp_path / "a.strop")
        assert "RuntimeError: first second" in call("run", path, sample).refusal()

    @pytest.mark.parametrize(
        "arguments", [("sharpen",), ("info",), ("info", "a", "b"), ("bench", "a", "--batch")]
    )
    def test_a_command_that_is_none(self, call: Strop, arguments: tuple[str, ...]) -> None:
        assert call(*arguments).refusal().endswith(" --help")

    @pytest.mark.parametrize("before", [(), ("help",)])
    def test_a_misspelled_command_is_told_its_neighbour(
        self, call: Strop, before: tuple[str, ...]
    ) -> None:
        said = call(*before, "chekc").refusal()
        assert said.startswith("there is no command 'chekc' (did you mean check?); see strop")

    @pytest.mark.parametrize("word", ["x" * 5000, "\x1b[31m", "\u202e"])
    def test_an_unlike_command_is_quoted_in_short_and_in_print(
        self, call: Strop, word: str
    ) -> None:
        said = call(word).refusal()
        assert "(there are info, run, " in said
        assert len(said) < 300
        assert said.isprintable()

    def test_a_batch_that_fits_in_no_memory(self, image_path: Path) -> None:
        done = _process("bench", image_path, "--batch", 900_000_000, preexec_fn=_little_memory)
        assert "Unable to allocate" in done.refusal()


def _little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))


def _little_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


class TestWriting:
    @pytest.fixture
    def many(self, tmp_path: Path) -> Path:
        """Samples whose outputs take more than a little disk."""
        path = tmp_path / "many.npy"
        np.save(path, np.zeros((2000, 4, 4), np.uint8))
        return path

    def test_a_full_disk_leaves_nothing_half_written(
        self, image_path: Path, many: Path, tmp_path: Path
    ) -> None:
        before = sorted(tmp_path.iterdir())
        done = _process(
            *("run", image_path, many, "--output", tmp_path / "out.npy"), preexec_fn=_little_disk
        )
        assert done.refusal() == f"cannot write {tmp_path}/out.npy: File too large"
        assert sorted(tmp_path.iterdir()) == before

    def test_a_full_disk_leaves_an_older_output_as_it_was(
        self, image_path: Path, many: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "out.npy"
        output.write_bytes(b"older")
        _process("run", image_path, many, "--output", output, preexec_fn=_little_disk).refusal()
        assert output.read_bytes() == b"older"

    @pytest.mark.parametrize(
        "where", ["gone/out.npy", "sample.npy/out.npy", "folder.npy", "/proc/out.npy"]
    )
    def test_a_place_that_cannot_be_written_is_named(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path, where: str
    ) -> None:
        (tmp_path / "folder.npy").mkdir()
        before = sorted(tmp_path.rglob("*"))
        message = call("run", image_path, sample, "--output", tmp_path / where).refusal()
        assert message.startswith(f"cannot write {tmp_path / where}: ")
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_failure_at_the_very_end_leaves_an_older_output_as_it_was(
        self, call: Strop, image_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(draft: str, path: str) -> None:
            raise OSError(5, "Input/output error")

        output = sample.with_name("out.npy")
        output.write_bytes(b"older")
        monkeypatch.setattr(os, "replace", fail)
        message = call("run", image_path, sample, "--output", output).refusal()
        assert message == f"cannot write {output}: Input/output error"
        assert output.read_bytes() == b"older"
        assert len(list(sample.parent.iterdir())) == 3

    def test_another_suffix_is_refused(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "out.csv"
        message = call("run", image_path, sample, "--output", output).refusal()
        assert (
            message == f"--output {output}: the name must end in .npy or .npz; call it {output}.npy"
        )

    def test_outputs_are_not_written_if_one_input_is_bad(
        self, call: Strop, image_path: Path, sample: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "out.npy"
        call("run", image_path, sample, tmp_path / "gone.npy", "--output", output).refusal()
        assert not output.exists()

    def test_a_full_device_for_stdout_is_one_line(self, image_path: Path) -> None:
        with Path("/dev/full").open("w") as full:
            done = _process("info", image_path, stdout=full)
        assert done.refusal() == "cannot write the output: No space left on device"

    def test_so_it_is_for_a_refusal_in_json(self) -> None:
        with Path("/dev/full").open("w") as full:
            done = _process("info", "none.strop", "--json", stdout=full)
        assert done.refusal() == "cannot write the output: No space left on device"


class TestPipes:
    @pytest.mark.parametrize(("passes", "status"), [(True, 0), (False, 1)])
    def test_without_a_stdout_the_status_tells(
        self, image_path: Path, wrong_path: Path, passes: bool, status: int
    ) -> None:
        path = image_path if passes else wrong_path
        command = [sys.executable, "-m", "strop", "check", str(path)]
        done = subprocess.run(
            ["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (status, "")

    def test_without_a_stderr_nothing_of_it_gets_into_stdout(self) -> None:
        command = [sys.executable, "-m", "strop", "info", "none.strop", "--json"]
        done = subprocess.run(
            ["sh", "-c", '"$@" 2>&-', "sh", *command],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["kind"] == "bundle"

    @pytest.mark.parametrize("passes", [True, False])
    def test_a_reader_that_has_gone_is_no_traceback_and_no_pass(
        self, image_path: Path, wrong_path: Path, passes: bool
    ) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "w") as pipe:  # noqa: PTH123  a descriptor
            done = _process("check", image_path if passes else wrong_path, stdout=pipe)
        assert (done.status, done.err) == (141, "")

    def test_so_it_is_for_a_refusal_in_json(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "w") as pipe:  # noqa: PTH123  a descriptor
            done = _process("info", "none.strop", "--json", stdout=pipe)
        assert (done.status, done.err) == (141, "")

    def test_labels_outside_the_terminals_alphabet_are_escaped(self, tmp_path: Path) -> None:
        draft = bundles.image()
        draft.content["outputs"][0]["labels"] = ["caf\u00e9", "\u4e03", "star"]
        path = draft.write(tmp_path / "a.strop")
        done = _process("info", path, env={"PYTHONIOENCODING": "ascii"})
        assert done.status == 0
        assert "labels caf\\xe9 \\u4e03 star" in done.out

    def test_what_native_libraries_print_does_not_mix_with_json(
        self, image_path: Path, sample: Path
    ) -> None:
        noisy = (
            "import os, sys\n"
            "from strop import cli, engines\n"
            "engine = engines.get('fake')\n"
            "right = engine.open\n"
            "def noisy(*given, **asked):\n"
            "    os.write(1, b'ERROR: no OpenCL\\n')\n"
            "    return right(*given, **asked)\n"
            "engine.open = noisy\n"
            "sys.exit(cli.main(sys.argv[1:]))"
        )
        command = ["run", image_path, sample, "--engine", "fake", "--json"]
        done = subprocess.run(
            [sys.executable, "-c", noisy, *map(str, command)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout)["model"]["engine"] == "fake"
        assert done.stderr == "ERROR: no OpenCL\n"

    def test_the_module_and_its_version_run(self) -> None:
        done = _process("--version")
        assert (done.status, done.out) == (0, f"strop {strop.__version__}\n")
