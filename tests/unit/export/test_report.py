"""The tables and the page: the columns of each kind, undecided figures, and the width."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from strop_export import columns, page, report, targets
from strop_export.bundles import Proven
from strop_export.finishing import Finished
from strop_export.formats import Converted, VariantSpec
from strop_export.metric import Checked, Measured, Metric
from strop_export.proof.prove import prove
from tests.unit.export.outputs import OWN, probabilities, run, spec, swapped, truth

CHIP = "NVIDIA H200, Vulkan 1.3"
PROGRAM = "Mesa llvmpipe (LLVM 15.0.6, 256 bits), Vulkan 1.3, software"

# The widest figures of each kind, and the columns that show them.
FIGURES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "class": ({"accuracy": 0.98765, "disagreements": 10_000}, ["accuracy", "disagree"]),
    "binary": (
        {"accuracy": 0.98765, "auc": 0.98765, "disagreements": 10_000},
        ["accuracy", "AUC", "disagree"],
    ),
    "multilabel": (
        {"f1": 0.98765, "auc": None, "disagreements": 10_000},
        ["F1", "AUC", "disagree"],
    ),
    "segmentation": ({"disagreements": 123_456, "mean_iou": 0.9}, ["disagree", "mean IoU"]),
    "regression": ({"rmse_share": [0.0012, 0.0345]}, ["rmse"]),
    "raw": ({"sqnr_db": 123.45}, ["SQNR"]),
}


def output(kind: str, name: str = "scores") -> dict[str, Any]:
    figures = {"max_abs_error": 1.2345e-07, **FIGURES[kind][0]}
    return {"name": name, "kind": kind, "figures": figures, "bounds": {}}


def content(adapter: str = "", *outputs: dict[str, Any]) -> dict[str, Any]:
    """A report with one bundle, whose figures have the largest width."""
    row = {
        "bundle": "m-gpu.strop",
        "target": "gpu",
        "format": "weights",
        "precision": "float32",
        "recipe": "",
        "engine": "litert",
        "engine_version": "2.10.0",
        "device": "gpu" if adapter else "cpu",
        "adapter": adapter,
        "bytes": 1_234_567,
        "samples": 10_000,
        "outputs": list(outputs or (output("class"),)),
        "metric": None,
    }
    entry = {"file": "m-gpu.strop", "bytes": 1_234_567, "sha256": "0" * 64}
    parts = ("refused", "left_out", "not_on_gpu", "layers", "guard", "footprints")
    notes: dict[str, Any] = {part: [] for part in parts}
    keras = {
        "samples": 10_000,
        "accuracy": 0.9,
        "self_evaluated": False,
        "outputs": [],
        "metric": None,
    }
    examined = {"samples": 200, "held_out": 0, "warnings": [], "settling": None}
    made = {"keras": keras, "calibration": examined, "bundles": [entry], "variants": [row]}
    return {"model": "m", "without_native": "", **made, **notes}


def screen(made: dict[str, Any], room: int | None = None) -> list[str]:
    return list(report.tables(made, room))


@pytest.mark.parametrize(
    ("adapter", "on"),
    [("", "litert 2.10.0"), (CHIP, "litert 2.10.0 gpu"), (PROGRAM, "litert 2.10.0 gpu, software")],
)
def test_a_program_that_plays_a_gpu_is_called_one(adapter: str, on: str) -> None:
    written = page.to_markdown(content(adapter)).decode("utf-8")
    assert f"| weights | {on} | 1,234,567 |" in written
    assert f"weights  {on}  1,234,567" in screen(content(adapter))[3]


@pytest.mark.parametrize("kind", FIGURES)
def test_a_table_fits_80_columns(kind: str) -> None:
    lines = screen(content(CHIP, output(kind)), 80)
    assert max(map(len, lines)) <= 80
    assert len(lines[3:-1]) == 1  # a line for the row


@pytest.mark.parametrize("room", [30, 40, 60])
@pytest.mark.parametrize("kind", FIGURES)
def test_narrower_screens_get_every_figure_whole(kind: str, room: int) -> None:
    made = content(PROGRAM, output(kind), output("class", "other"))
    lines = screen(made, room)
    assert max(map(len, lines)) <= room
    text = " ".join(" ".join(lines).split())
    own = [column for column in columns.columns_of(made["variants"]) if not column.page_only]
    for cells in columns.cells_of(made["variants"][0], own):
        for column, cell in zip(own, cells, strict=True):
            assert not cell or f"{column.title}: {cell}" in text


def test_names_of_others_stand_for_themselves() -> None:
    evil = "a|b `c` <i>[d](e)\n\n# f\x1b[2J\u202e"
    made = content(evil, output("class", evil), output("raw", evil + "2"))
    made |= {"model": evil, "left_out": [{"bundle": evil, "reason": evil}]}
    made["variants"][0] |= {"engine_version": evil}
    lines = [*screen(made), *screen(made, 40), *report.notes(made)]
    assert not any("\n" in line for line in screen(made))
    written = page.to_markdown(made).decode("utf-8")
    assert all(char.isprintable() or char == "\n" for char in written)
    assert not any(line.startswith("# f") for line in [*lines, *written.splitlines()])
    (row, *_) = (line for line in written.splitlines() if line.startswith("| m-gpu"))
    cells = len(columns.columns_of(made["variants"])) + 1
    assert len(re.findall(r"(?<!\\)\|", row)) == cells + 1
    assert not re.findall(r"(?<!\\)[<\[]", row)


@pytest.mark.parametrize("kind", FIGURES)
def test_each_kind_has_its_own_columns(kind: str) -> None:
    made = content("", output(kind))
    titles = [column.title for column in columns.columns_of(made["variants"])]
    fixed = ["precision", "format", "proven on", "bytes"]
    assert titles == [*fixed, *FIGURES[kind][1], "max error"]


def test_several_outputs_have_a_line_each() -> None:
    made = content("", output("class", "what"), output("regression", "where"))
    own = columns.columns_of(made["variants"])
    assert [column.title for column in own][4:] == [
        *("output", "accuracy", "disagree", "rmse", "max error")
    ]
    one, other = columns.cells_of(made["variants"][0], own)
    assert one[4:] == ["what", "0.9877", "10,000", "-", "1.2e-07"]
    assert other == ["", "", "", "", "where", "-", "-", "3.45%", "1.2e-07"]
    assert [line.split()[:1] for line in screen(made)[3:5]] == [["float32"], ["where"]]


@pytest.mark.parametrize(
    ("figure", "said"),
    [(None, "-"), (12_345, "12,345"), (0.98765, "0.9877"), ([0.5, None], "0.5000, -")],
)
def test_figures_are_written_short(figure: Any, said: str) -> None:
    assert columns.shown(figure) == said


def test_what_the_samples_cannot_tell_is_said() -> None:
    open_one = output("class")
    open_one["figures"] |= {
        "disagreements": 2,
        "disagreements_limits": [0.0005, 0.0144],
        "settled_by": 2400,
    }
    open_one["bounds"] = {"disagreements": 0.0025}
    made = content("", open_one)
    said = (
        "m-gpu.strop: weights float32 on litert, scores: 2 disagreements, with 95 % confidence "
        "0.05% to 1.44%, 0.25% allowed; about 2,400 samples would settle it"
    )
    assert list(report.notes(made)) == [said]
    assert f"## Undecided\n\n- {said}" in page.to_markdown(made).decode("utf-8")
    open_one["figures"]["disagreements"] = 0  # nothing differs: it is no news on the screen
    assert list(report.notes(made)) == []


def test_self_evaluation_is_said() -> None:
    made = content()
    made["keras"] |= {"self_evaluated": True, "samples": 75}
    (note,) = list(report.notes(made))
    assert note.startswith("self-evaluated: judged on 75 of the calibration samples")
    assert "self-evaluated" in page.to_markdown(made).decode("utf-8")


class TestRows:
    """Each run of each variant, with the figures and bounds of each output."""

    def finished(self) -> Finished:
        specs = (spec("regression", (2,), name="where"), spec("class", name="what"))
        where = np.random.default_rng(1).normal(size=(100, 2))
        keras = where, probabilities()
        ours = where, swapped(keras[1], 1)
        known = truth(specs, keras, (None, keras[1].argmax(axis=1)))
        proofs = prove("x", [run(*ours)], known, OWN["int8"])
        made = Proven(VariantSpec("tflite", "int8"), Converted(b"abc", (), ()), proofs, (), ())
        return Finished(targets.load("cpu"), "m-cpu.strop", b"", specs, (made,), (), ())

    def test_a_row_holds_them(self) -> None:
        (row,) = report.rows([self.finished()])
        where, what = row["outputs"]
        assert (where["name"], where["kind"], what["kind"]) == ("where", "regression", "class")
        assert where["figures"]["rmse_share"] == [0, 0]
        assert where["bounds"]["rmse_share"] == 0.05
        assert what["figures"]["disagreements"] == 1
        assert what["bounds"]["disagreements"] == 0.02
        json.dumps(row, allow_nan=False)

    def test_the_first_class_s_figures_stand_in_it_too(self) -> None:
        (row,) = report.rows([self.finished()])
        assert (row["disagreements"], row["accuracy"]) == (1, pytest.approx(0.99))
        assert (row["bytes"], row["samples"]) == (3, 100)


class TestAMetric:
    ROW: ClassVar[dict[str, Any]] = {
        "name": "mean_ap",
        "keras": 0.95,
        "found": 0.94,
        "max_loss": 0.02,
    }

    def made(self, note: str = "") -> dict[str, Any]:
        made = content()
        made["variants"][0]["metric"] = self.ROW
        own = {"name": "mean_ap", "value": 0.95, "max_loss": 0.02, "note": note}
        made["keras"] |= {"metric": own}
        return made

    def test_it_has_a_column_titled_by_its_name(self) -> None:
        _, _, head, row, _ = screen(self.made())
        assert head.endswith("accuracy  disagree  mean_ap  max error")
        assert "  0.9400  " in row
        assert "mean_ap" not in screen(content())[2]

    def test_the_page_has_it_and_says_what_keras_achieves(self) -> None:
        written = page.to_markdown(self.made()).decode("utf-8")
        assert "| disagree | mean\\_ap | max error |" in written
        assert "against Keras (mean\\_ap 0.95)." in written
        assert "A file may lose 0.02 of mean\\_ap, which replaces the bounds of quant" in written

    def test_a_note_stands_on_the_screen_and_on_the_page(self) -> None:
        made = self.made("metric mean_ap selects no file")
        assert "metric mean_ap selects no file" in list(report.notes(made))
        assert "metric mean\\_ap selects no file" in page.to_markdown(made).decode("utf-8")
        assert list(report.notes(self.made())) == []

    def test_a_row_has_its_figures_or_none(self) -> None:
        finished = TestRows().finished()
        (row,) = report.rows([finished])
        assert row["metric"] is None
        (variant,) = finished.variants
        measured = replace(variant, measured=(Measured(**self.ROW),))
        (row,) = report.rows([replace(finished, variants=(measured,))])
        assert row["metric"] == self.ROW

    def test_keras_s_own_stands_with_its_figures(self) -> None:
        keras = probabilities()
        made: Any = SimpleNamespace(
            outputs=(spec("class"),), keras=(keras,), labels=(None,), self_evaluated=False
        )
        assert report.keras_figures(made)["metric"] is None
        checked = Checked(Metric("mean_ap", max, 0.02), 0.95)
        assert report.keras_figures(made, checked)["metric"] == {
            "name": "mean_ap", "value": 0.95, "max_loss": 0.02, "note": ""
        }  # fmt: skip


def test_keras_s_own_figures_are_by_output() -> None:
    import types
    from typing import cast

    keras = probabilities(), np.linspace(0, 1, 100)[:, None]
    made: Any = types.SimpleNamespace(
        outputs=(spec("class", name="what"), spec("regression", (1,), name="where")),
        keras=keras,
        labels=(keras[0].argmax(axis=1), keras[1] + 0.1),
        self_evaluated=False,
    )
    found = report.keras_figures(cast(Any, made))
    assert (found["samples"], found["accuracy"], found["self_evaluated"]) == (100, 1.0, False)
    what, where = found["outputs"]
    assert what["figures"] == {"accuracy": 1.0}
    assert where["figures"]["rmse"] == pytest.approx([0.1])
    said = page.to_markdown({**content(), "keras": found}).decode("utf-8")
    assert "(what: accuracy 1.0000; where: rmse 0.1000; where: r2 0.8824)" in said


def test_the_page_says_how_a_file_is_quantized_if_not_the_plain_way() -> None:
    made = content()
    assert "quantized with" not in page.to_markdown(made).decode()
    made["variants"][0]["recipe"] = "equalized"
    assert "| precision | quantized with | format |" in page.to_markdown(made).decode()
    assert "quantized with" not in "\n".join(screen(made))
