"""The commands and their replay on models with several inputs and outputs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop import cli
from strop.bundle.file import parse_bundle
from strop.diagnostics.check import check
from strop.diagnostics.replay import FAILED, PASSED, CheckResult
from strop.diagnostics.tune import tune
from strop.errors import InputError
from strop.model import arrays
from strop.model.arrays import npz, read_npz
from tests import bundles
from tests.unit.runtime import doubles

Change = Callable[[Any, Any], tuple[Any, Any]]
Run = Callable[..., Any]


class PairSession(doubles.SpySession):
    """A session that computes `pair`, with a test's changes."""

    def __init__(self, change: Change) -> None:
        super().__init__(lambda samples: 0)
        self._change = change

    def run(self, samples: Any) -> Any:
        return self._change(*bundles.pair_answer(*samples))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Replace ONNX Runtime's session with ours."""

    def install(change: Change) -> None:
        doubles.install(monkeypatch, "onnx", lambda model: PairSession(change))

    install(lambda scores, level: (scores, level))
    return install


def _check(draft: bundles.Draft) -> CheckResult:
    (result,) = check(parse_bundle(draft.pack()))
    return result


class TestReplay:
    """`pair` may differ by 0.5, 1 and 2 in the columns of its scores, by 0.25 in its level."""

    @pytest.mark.parametrize(
        ("scores", "level", "status", "error", "tolerance"),
        [
            ([0, 0, 0], 0, PASSED, 0, 0.5),
            ([0.25, 0, 0], 0, PASSED, 0.25, 0.5),
            ([0.25, 0.75, 0.5], 0, PASSED, 0.75, 1.0),
            ([0, 0, 2], 0, PASSED, 2, 2.0),
            ([0.75, 0, 1], 0, FAILED, 0.75, 0.5),
            ([0, 0, 2], 0.5, FAILED, 0.5, 0.25),
            ([0, np.nan, 0], 0, FAILED, np.inf, 2.0),
        ],
    )
    def test_each_output_and_column_has_its_own_tolerance(
        self,
        engine: Callable[[Change], None],
        scores: list[float],
        level: float,
        status: str,
        error: float,
        tolerance: float,
    ) -> None:
        def change(right: Any, value: Any) -> tuple[Any, Any]:
            return (right + np.array(scores)).astype(np.float32), value + np.float32(level)

        if np.isnan(scores).any():  # NaN is refused before the comparison; infinity is not
            scores = [0, np.inf, 0]
        engine(change)
        result = _check(bundles.pair())
        assert (result.status, result.tolerance) == (status, tolerance)
        assert result.max_abs_error == pytest.approx(error)
        if status == FAILED:
            name = "level" if level else "scores"
            assert result.detail.startswith(f"{name} differs by {error:.3g} from the outputs")

    def test_no_tolerance_at_all_is_kept_by_equal_answers(
        self, engine: Callable[[Change], None]
    ) -> None:
        draft = bundles.pair()
        for golden in draft.variant["golden"]:
            golden["tolerance"] = [0]
        result = _check(draft)
        assert (result.status, result.max_abs_error, result.tolerance) == (PASSED, 0, 0)
        engine(lambda scores, level: (scores, level + np.float32(1e-3)))
        result = _check(draft)
        assert (result.status, result.tolerance) == (FAILED, 0)
        assert result.max_abs_error == pytest.approx(1e-3, rel=0.1)

    def test_a_wrong_shape_is_named(self, engine: Callable[[Change], None]) -> None:
        engine(lambda scores, level: (scores, level[:, np.newaxis]))
        assert _check(bundles.pair()).detail == "level gives (6, 1) instead of (6,)"

    @pytest.mark.parametrize(
        ("kind", "threshold", "agreement"),
        [("class", None, 1.0), ("multilabel", 0.0, None), ("regression", None, None)],
    )
    def test_only_a_class_agrees_with_keras(
        self, engine: Any, kind: str, threshold: float | None, agreement: float | None
    ) -> None:
        draft = bundles.pair()
        logits = kind != "regression"
        draft.content["outputs"][0].update(kind=kind, threshold=threshold, logits=logits)
        assert _check(draft).keras_agreement == agreement

    def test_yes_or_no_agrees_by_the_threshold(self) -> None:
        from strop.diagnostics.replay import _agreement

        spec = parse_bundle(bundles.pair().pack()).manifest.outputs[1]
        spec = spec._replace(kind="binary", threshold=0.5)
        ours, keras = np.array([0.4, 0.6, 0.9, 0.1]), np.array([0.3, 0.4, 0.8, 0.6])
        assert _agreement(ours, keras, spec) == 0.5

    def test_integers_and_truth_values_are_compared_too(self) -> None:
        from strop.diagnostics.replay import _error

        proven = np.array([[0, 250]], np.uint8)
        found = _error(np.array([[[1, 250]], [[0, 248]]], np.uint8), proven, (1.0, 4.0))
        assert found == (1.0, 1.0, 1.0)
        flags = np.array([[True, False]])
        assert _error(np.stack((flags, ~flags)), flags, (0.0,)).share == np.inf

    def test_tuning_times_it(self, engine: Any) -> None:
        candidates = tune(parse_bundle(bundles.pair().pack()), batch=9, threads=[1])
        assert [c.checked.status for c in candidates] == [PASSED]


@pytest.fixture
def path(tmp_path: Path, engine: Any) -> Path:
    return bundles.pair().write(tmp_path / "pair.strop")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    random = np.random.default_rng(8)
    picture = random.integers(0, 256, (3, 2, 2)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", picture=picture, weights=random.random((3, 3)).astype(np.float32))
    return tmp_path / "a.npz"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object, status: int = 0) -> str:
        found = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert found == status, err
        return err if status else out

    return call


class TestRun:
    def test_each_sample_and_output_has_a_line(self, run: Run, path: Path, samples: Path) -> None:
        lines = run("run", path, samples).splitlines()
        assert len(lines) == 7
        assert lines[0].split()[:2] == [f"{samples}[0]", "scores"]
        assert lines[1].split()[:3] == [f"{samples}[0]", "level", "regression"]
        assert lines[6] == "--output FILE writes all values, to a file that ends in .npz"

    def test_json(self, run: Run, path: Path, samples: Path) -> None:
        said = json.loads(run("run", path, samples, "--json"))["predictions"]
        assert [one["output"] for one in said] == ["scores", "level"] * 3
        assert said[0]["label"] in bundles.LABELS
        assert said[1] == {
            "input": f"{samples}[0]",
            "output": "level",
            "kind": "regression",
            "dtype": "float32",
            "shape": [],
        }

    def test_outputs_are_written_by_name(self, run: Run, path: Path, samples: Path) -> None:
        output = samples.with_name("out.npz")
        run("run", path, samples, samples, "--output", output, "--json")
        first = output.read_bytes()
        with np.load(samples) as given, np.load(output) as written:
            scores, level = bundles.pair_answer(given["picture"], given["weights"])
            assert written.files == ["scores", "level"]
            np.testing.assert_array_equal(written["scores"], np.tile(scores, (2, 1)))
            np.testing.assert_array_equal(written["level"], np.tile(level, 2))
        run("run", path, samples, samples, "--output", output, "--json")
        assert output.read_bytes() == first

    def test_one_array_cannot_hold_several_outputs(
        self, run: Run, path: Path, samples: Path
    ) -> None:
        said = run("run", path, samples, "--output", samples.with_name("out.npy"), status=2)
        assert "the model has 2 outputs, so the name must end in .npz; call it" in said

    def test_one_array_is_not_several_inputs(self, run: Run, path: Path, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros((1, 2, 2), np.uint8))
        said = run("run", path, tmp_path / "a.npy", status=2)
        assert "the model takes 2: picture, weights; give it an .npz file" in said

    def test_a_missing_array_is_named(self, run: Run, path: Path, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", picture=np.zeros((1, 2, 2), np.uint8))
        assert "got no weights; give them by name" in run("run", path, tmp_path / "a.npz", status=2)

    def test_a_model_with_one_of_each_takes_and_gives_such_files_too(
        self, run: Run, tmp_path: Path
    ) -> None:
        model = bundles.image().write(tmp_path / "image.strop")
        images = np.random.default_rng(1).integers(0, 256, (4, 4, 4)).astype(np.uint8)
        np.savez(tmp_path / "a.npz", image=images)
        run("run", model, tmp_path / "a.npz", "--output", tmp_path / "out.npz")
        with np.load(tmp_path / "out.npz") as written:
            right = bundles.answer(bundles.image(), images)
            np.testing.assert_allclose(written["probabilities"], right, atol=1e-6)

    @pytest.mark.parametrize(
        ("changes", "cells"),
        [
            ({"kind": "multilabel", "threshold": 0.0, "labels": ["a", "b", "c"]}, "a, b, c"),
            ({"kind": "multilabel", "threshold": 2.0, "labels": ["a", "b", "c"]}, "(none)"),
            ({"kind": "raw", "labels": []}, "raw"),
        ],
    )
    def test_other_kinds(
        self, run: Run, tmp_path: Path, changes: dict[str, Any], cells: str
    ) -> None:
        draft = bundles.image()
        draft.content["outputs"][0].update(changes)
        np.save(tmp_path / "a.npy", np.zeros((1, 4, 4), np.uint8))
        out = run("run", draft.write(tmp_path / "a.strop"), tmp_path / "a.npy")
        assert cells in out
        json.loads(run("run", tmp_path / "a.strop", tmp_path / "a.npy", "--json"))


class TestOthers:
    def test_info_lists_them_all(self, run: Run, path: Path) -> None:
        out = run("info", path)
        for part in (
            "input    picture: uint8 (N, 2, 2), 0..255",
            "input    weights: float32 (N, 3), -2..2",
            "output   scores: float32 (N, 3), class of logits, labels circle square star",
            "output   level: float32 (N), regression",
            "gives    a dict of these, as the Keras model does",
            "scores  top1_agreement 1, max_abs_error 0",
            "level   r2 1, rmse 0, max_abs_error 0",
        ):
            assert part in out, out

    def test_info_says_who_judged(self, run: Run, tmp_path: Path) -> None:
        draft = bundles.image(self_evaluated=True)
        assert "against Keras, self-evaluated: on" in run("info", draft.write(tmp_path / "a.strop"))

    def test_check_counts_what_is_outside_of_the_range(self, run: Run, tmp_path: Path) -> None:
        draft = bundles.vector()
        draft.content["inputs"][0]["range"] = [-2, 2]
        inputs = np.zeros((bundles.SAMPLES, 5), np.float32)
        inputs[0, :3] = -2, 2, 2.5
        answers = bundles.answer(draft, inputs).astype(np.float32)
        draft.put(draft.content["golden"]["inputs"][0], bundles.npy(inputs))
        draft.put(draft.variant["golden"][0], bundles.npy(answers))
        model = draft.write(tmp_path / "a.strop")
        said = "measurements: 1 of 30 golden values are outside the range it was proven on (-2..2)"
        assert said in run("check", model).splitlines()
        assert json.loads(run("check", model, "--json"))["out_of_range"] == {"measurements": 1}

    def test_check_says_nothing_of_what_is_inside(self, run: Run, path: Path) -> None:
        out = run("check", path)
        assert "outside" not in out
        assert "1 of 1 variants" in out
        said = json.loads(run("check", path, "--json"))
        assert said["out_of_range"] == {"weights": 0}

    def test_check_has_a_dash_where_nothing_agrees(self, run: Run, path: Path) -> None:
        draft = bundles.image()
        draft.content["outputs"][0].update(kind="raw", labels=[])
        (row,) = (r for r in run("check", draft.write(path)).splitlines() if "passed" in r)
        assert row.split()[5] == "-"

    def test_bench(self, run: Run, path: Path) -> None:
        assert "predict, batch 8, 5 calls" in run("bench", path, "--samples", 5, "--batch", 8)

    def test_install_and_watch(self, run: Run, path: Path, tmp_path: Path) -> None:
        import strop

        run("install", path, "--into", tmp_path / "place")
        with strop.watch(tmp_path / "place") as model:
            answers = model.predict([np.zeros((2, 2), np.uint8), np.zeros(3, np.float32)])
            assert list(answers) == ["scores", "level"]
            row = np.array([0, 1, 0], np.float32)
            assert model.prediction(row).label == "square"
            sample = [np.zeros((2, 2), np.uint8), np.array([0, 0, 1], np.float32)]
            assert model.classify(sample, output="scores").label == "star"


class TestFiles:
    """.npz files from untrusted sources."""

    def _refused(self, path: Path, content: bytes) -> str:
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_npz(path)
        return str(caught.value)

    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        names = ("file", "a/b", "../up", "\u00e9")
        given = {name: np.full(i, i, np.int64) for i, name in enumerate(names)}
        (tmp_path / "a.npz").write_bytes(npz(given))
        found = read_npz(tmp_path / "a.npz")
        assert found.keys() == given.keys()
        for name, array in given.items():
            np.testing.assert_array_equal(found[name], array)
        assert npz(given) == npz(dict(given))
        np.savez_compressed(tmp_path / "b.npz", a=np.arange(3))
        np.testing.assert_array_equal(read_npz(tmp_path / "b.npz")["a"], [0, 1, 2])

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"noise" * 50])
    def test_what_is_no_archive(self, tmp_path: Path, content: bytes) -> None:
        assert "is not an .npz file of arrays" in self._refused(tmp_path / "a.npz", content)

    def test_objects_are_never_loaded(self, tmp_path: Path) -> None:
        content = io.BytesIO()
        np.savez(content, a=np.array([{}], object))
        said = self._refused(tmp_path / "a.npz", content.getvalue())
        assert "allow_pickle=False" in said

    @pytest.mark.parametrize("names", [["a.txt"], ["a.npy", "a.npy"]])
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_other_members(self, tmp_path: Path, names: list[str]) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name in names:
                archive.writestr(name, bundles.npy(np.zeros(1)))
        assert "is not an array, or is there twice" in self._refused(
            tmp_path / "a.npz", content.getvalue()
        )

    def test_more_than_fits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(arrays, "MAX_NPY_BYTES", 1000)
        content = io.BytesIO()
        np.savez_compressed(content, a=np.zeros(1000))
        said = self._refused(tmp_path / "a.npz", content.getvalue())
        assert said.endswith("a.npz holds more than 1000 bytes; split it")

    def test_a_missing_file_and_a_folder(self, tmp_path: Path) -> None:
        for place in (tmp_path / "gone.npz", tmp_path):
            with pytest.raises(InputError, match=f"cannot read {place}"):
                read_npz(place)
