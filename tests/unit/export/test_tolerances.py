"""Tolerances are data; each error in them is refused by name, and a GPU has its own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from strop_export.errors import SourceError, TargetError
from strop_export.formats import VariantSpec
from strop_export.tolerances import for_depth, tolerances
from tests.unit.export.outputs import spec

BOUNDS = "".join(
    f"[default.{precision}]\nmax_abs_error = 1\ndisagreements = 0.5\naccuracy_loss = 0\n"
    "pixels = 0.5\nrmse_share = 0.1\nsqnr_db = 20\n"
    "engine_changes = 0\ngolden = 0\ngpu = 0\nplain = false\n"
    for precision in ("float32", "float16", "dynamic", "int8")
)


def test_a_model_s_own_tolerance_overrides_single_values(tmp_path: Path) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(BOUNDS + "[mine.int8]\ndisagreements = 0.25\n", encoding="utf-8")
    assert tolerances("mine", path)["int8"].disagreements == 0.25
    assert tolerances("mine", path)["int8"].max_abs_error == 1
    assert tolerances("other", path)["int8"].disagreements == 0.5


def test_calibrated_files_have_the_bounds_of_int8_and_may_override_single_ones(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(
        f"{BOUNDS}[default.mixed]\nrmse_share = 0.2\n[mine.int8]\nsqnr_db = 30\n"
        "[mine.int16x8]\nsqnr_db = 40\n",
        encoding="utf-8",
    )
    mine = tolerances("mine", path)
    assert (mine["mixed"].rmse_share, mine["int16x8"].rmse_share) == (0.2, 0.1)
    found = {precision: bounds.sqnr_db for precision, bounds in mine.items()}
    assert (found["int8"], found["mixed"], found["int16x8"], found["dynamic"]) == (30, 30, 40, 20)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("max_abs_error = 1\n", "", "bad section for float32: .*missing or unknown: max_abs_error"),
        ("gpu = 0\n", "", "bad section for float32: .*gpu"),
        ("disagreements = 0.5", "disagreement = 0.5", "unknown: disagreement, disagreements"),
        ("disagreements = 0.5", "disagreements = 'few'", "disagreements is 'few'"),
        ("disagreements = 0.5", "disagreements = true", "disagreements is True"),
        ("plain = false", "plain = 1", "plain is 1"),
        ("disagreements = 0.5", "disagreements = nan", "a number of 0 or more"),
        ("disagreements = 0.5", "disagreements = inf", "a number of 0 or more"),
        ("disagreements = 0.5", "disagreements = -1", "a number of 0 or more"),
        ("[default.int8]", "[default.int9]", "bad section for int8"),
        ("[default.int8]", "default", "not TOML"),
    ],
)
def test_a_tolerance_that_says_too_little_or_too_much_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(BOUNDS.replace(old, new), encoding="utf-8")
    with pytest.raises(TargetError, match=said):
        tolerances("mine", path)


def test_a_missing_tolerance_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot read .*none.toml"):
        tolerances("mine", tmp_path / "none.toml")


def test_the_models_trained_here_are_held_to_the_figures_the_project_promises() -> None:
    for name in ("mnist-mlp", "mnist-mlp-best"):
        bounds = tolerances(name)
        assert bounds["float32"].disagreements == 0
        assert bounds["float32"].max_abs_error == 1e-5
        assert bounds["float16"].disagreements * 10_000 == pytest.approx(2)
        assert bounds["int8"].disagreements * 10_000 == pytest.approx(12)
        assert bounds["int8"].accuracy_loss * 100 == pytest.approx(0.05)


class TestGpus:
    FLOAT = tolerances("mnist-mlp")["float32"]

    def test_a_file_for_one_is_replayed_on_it_too(self) -> None:
        assert (self.FLOAT.golden, self.FLOAT.max_abs_error, self.FLOAT.gpu) == (1e-5, 1e-5, 1e-4)
        assert self.FLOAT.of(VariantSpec("onnx", "float32")) == self.FLOAT
        assert self.FLOAT.of(VariantSpec("onnx", "float32", gpu=True)).golden == 1e-4

    def test_one_may_be_further_off(self) -> None:
        assert self.FLOAT.on("cpu") == self.FLOAT
        gpu = self.FLOAT.on("gpu")
        assert (gpu.max_abs_error, gpu.rmse_share) == (1e-4, 1e-4)
        assert gpu.sqnr_db == pytest.approx(80)
        half = tolerances("mnist-mlp")["float16"].on("gpu")
        assert (half.max_abs_error, half.rmse_share) == (0.05, 0.05)
        assert half.sqnr_db == pytest.approx(26.02, abs=0.01)

    def test_what_is_not_made_for_one_has_no_bound_there(self) -> None:
        int8 = tolerances("mnist-mlp")["int8"]
        assert int8.on("gpu") == int8


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("class", {"disagreements", "accuracy_loss", "max_abs_error"}),
        ("binary", {"disagreements", "accuracy_loss", "max_abs_error"}),
        ("multilabel", {"disagreements", "accuracy_loss", "max_abs_error"}),
        ("segmentation", {"pixels", "accuracy_loss", "max_abs_error"}),
        ("regression", {"rmse_share"}),
        ("raw", {"sqnr_db"}),
    ],
)
def test_a_proof_names_the_bounds_of_the_output_s_kind(kind: str, own: set[str]) -> None:
    bounds = tolerances("any")["int8"].bounds(spec(kind))
    assert bounds.keys() == own | {"engine_changes", "golden"}


def test_any_model_is_held_by_intervals_and_ours_by_counts() -> None:
    assert not any(each.plain for each in tolerances("any").values())
    assert all(each.plain for each in tolerances("mnist-mlp").values())


def test_the_notebook_recipe_keeps_the_bounds_that_it_had() -> None:
    notebook = tolerances("mnist-mlp-notebook")
    for precision in ("dynamic", "int8"):
        assert notebook[precision].disagreements == 0.0025
        assert notebook[precision].accuracy_loss == 0.002
        assert notebook[precision].engine_changes == 0.0002
    assert notebook["dynamic"].max_abs_error == 0.5
    assert all(tolerance.plain for tolerance in notebook.values())


class TestAMetric:
    OWN = tolerances("mine", by_metric=True)

    @pytest.mark.parametrize("precision", ["int8", "mixed", "int16x8", "dynamic"])
    @pytest.mark.parametrize("kind", ["class", "multilabel", "segmentation", "regression", "raw"])
    def test_it_replaces_the_bounds_of_quality_of_quantized_files(
        self, precision: str, kind: str
    ) -> None:
        own = self.OWN[precision].of_output(spec(kind), labelled=True)
        shares = (own.disagreements, own.pixels, own.accuracy_loss)
        assert (*shares, own.rmse_share, own.sqnr_db) == (1, 1, 1, math.inf, -math.inf)
        kept = ("max_abs_error", "engine_changes", "golden", "gpu")
        usual = tolerances("mine")[precision]
        assert all(getattr(own, name) == getattr(usual, name) for name in kept)
        json.dumps(own.bounds(spec(kind)), allow_nan=False)

    def test_engines_must_still_agree(self) -> None:
        assert self.OWN["int8"].sqnr_db == tolerances("mine")["int8"].sqnr_db

    def test_float_files_keep_their_bounds(self) -> None:
        for precision in ("float32", "float16"):
            assert self.OWN[precision] == tolerances("mine")[precision]

    def test_a_drop_beside_it_is_refused(self) -> None:
        with pytest.raises(SourceError, match="in different units; give one of them"):
            tolerances("mine", max_drop=0.01, by_metric=True)


def test_rounding_in_float32_grows_with_the_square_root_of_the_depth() -> None:
    bounds = tolerances("mine")
    assert for_depth(bounds, 0) == for_depth(bounds, 4) == bounds
    file = VariantSpec("onnx", "float32", gpu=True)
    deepest = for_depth(bounds, 10_000)["float32"].of(file)
    assert deepest.golden == 50 * bounds["float32"].golden > deepest.gpu
    deep = for_depth(bounds, 64)
    own, other = bounds.pop("float32"), deep.pop("float32")
    assert deep == bounds
    assert other.max_abs_error == 4 * own.max_abs_error
    assert other.golden == 4 * own.golden
    assert (other.disagreements, other.gpu) == (own.disagreements, own.gpu)
