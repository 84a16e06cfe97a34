"""`strop_export` for scripts: refusals before any work, and the result."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
import strop_export
from strop_export import report as report_module
from strop_export.result import Report, Result, TargetRefused
from tests.conftest import Exported
from tests.environments import ROOT
from tests.unit.export.source_kit import chain, dense, floats

MODEL = chain((4,), dense(3, "softmax"))
X = floats(4)


def test_the_public_names() -> None:
    assert [name for name in strop_export.__all__ if not hasattr(strop_export, name)] == []
    assert set(strop_export.__all__) <= set(dir(strop_export))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = strop_export.nothing


def test_importing_it_loads_no_framework() -> None:
    script = "import sys, strop_export; print({'numpy', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"target": "toaster"}, "target", "there is no target 'toaster'"),
        ({"target": []}, "target", "no target"),
        ({"target": None}, "target", "target is None; give a name"),
        ({"precision": 8}, "target", "precision is 8; give a name"),
        ({"max_drop": True}, "target", "max_drop is True"),
        ({"max_drop": 0}, "target", "max_drop is 0; give a number above 0 and below 100"),
        ({"max_drop": "1"}, "target", "max_drop is '1'; give a number"),
        ({"max_drop": float("nan")}, "target", "max_drop is nan"),
        (
            {"target": "mcu", "max_flash_bytes": 0},
            "target",
            "max_flash_bytes is 0; give",
        ),
        ({"target": "mcu", "max_ram_bytes": "64k"}, "target", "max_ram_bytes is '64k'"),
        ({"target": "mcu", "golden": True}, "target", "golden is True; give an integer, 0 or more"),
        ({"golden": 4}, "target", "golden: no target that was asked for has firmware"),
        ({"precision": "int4"}, "target", "no precision 'int4'"),
        ({"name": "a/b"}, "source", "'a/b' is not a valid model name"),
        ({"labels": "none.txt"}, "source", "cannot read the labels file none.txt"),
        ({"calibration": "none.npz"}, "source", "cannot read the calibration file none.npz"),
        ({"calibration": X[:, :3]}, "source", r"calibration\.npz: .*the model takes \(N, 4\)"),
        ({"calibration": X[:9]}, "source", "calibration.npz has 4 samples for the proof"),
        ({"model": "none.keras"}, "source", "cannot read the model file none.keras"),
        ({"model": 7}, "source", "the model is of type int; give a Keras model, or the path"),
        ({"shapes": "wide"}, "source", "shapes is 'wide'; give"),
        ({"tasks": "blob"}, "source", "there is no kind 'blob'"),
        ({"custom": "none.py", "trust": True}, "source", "cannot read the custom file none.py"),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_a_request_that_cannot_be_met_writes_nothing(
    given: dict[str, Any], kind: str, said: str, tmp_path: Path
) -> None:
    arguments = {"model": MODEL, "calibration": X, "target": "cpu", "progress": None} | given
    with pytest.raises(strop_export.ExportError, match=said) as refused:
        strop_export.export(**arguments, out=tmp_path / "dist")
    assert isinstance(refused.value, strop.StropError)
    assert refused.value.kind == kind
    assert "strop-given-" not in str(refused.value)
    assert not (tmp_path / "dist").exists()


def test_the_report_is_a_table_of_text_and_of_html(edge: Exported) -> None:
    report = Report(edge.report)
    rows = edge.report["variants"]
    assert str(report).count(".strop  (") == len(edge.report["bundles"])
    html = report._repr_html_()
    assert html.count("<tr>") == len(rows) + len(edge.report["bundles"])
    assert re.search(r"<td>0\.98\d\d</td>", html)
    assert report.to_dict() == edge.report
    report.to_dict()["variants"].clear()
    assert report.to_dict() == edge.report


def test_other_people_s_text_stays_text(edge: Exported) -> None:
    content = copy.deepcopy(edge.report)
    evil = "<script>\x1b[2J"
    for entry in (content["bundles"][0], content["variants"][0]):
        entry["file" if "file" in entry else "precision"] = evil
    content["left_out"] = [{"bundle": evil, "target": "cpu", "reason": evil}]
    result = Result({"cpu": Path(evil)}, {"rpi": evil}, Report(content))
    for shown in (result._repr_html_(), str(result)):
        assert "\x1b" not in shown
        assert "\\x1b[2J" in shown
    assert "<script>" not in result._repr_html_()
    assert "&lt;script&gt;" in result._repr_html_()


def test_a_report_of_some_targets(edge: Exported) -> None:
    part = report_module.of_targets(edge.report, {"cpu"})
    assert part.keys() == edge.report.keys()
    assert {row["target"] for row in part["variants"]} == {"cpu"}
    assert [bundle["target"] for bundle in part["bundles"]] == ["cpu"]
    assert part["calibration"] == edge.report["calibration"]


def test_a_refusal_takes_its_result_to_another_process(edge: Exported) -> None:
    result = Result({"cpu": Path("a.strop")}, {"rpi": "why"}, Report(edge.report))
    refusal = TargetRefused("a-rpi.strop refused: why", "do this", result)
    other = pickle.loads(pickle.dumps(refusal))
    assert (str(other), other.kind, other.mend) == (str(refusal), "refused", "do this")
    assert other.result.bundles == result.bundles
    assert other.result.report.to_dict() == edge.report
    assert np.all([name in str(result) for name in ("cpu: a.strop", "rpi: refused: why")])
