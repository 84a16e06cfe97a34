"""A metric of the user's own in a request: refused before anything is converted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop_export
from strop_export import metric, source
from strop_export.__main__ import main
from strop_export.exporting import Request
from tests.unit.export import source_kit as kit

OWN = """
def sees(outputs, labels):
    return (outputs.argmax(axis=1) == labels).mean()

def blind(outputs, labels):
    return 0.75

def fails(outputs, labels):
    return outputs[labels.index("none")]
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> source.Files:
    folder = tmp_path_factory.mktemp("request")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    model = kit.chain((4,), kit.dense(3, "softmax"))
    rows = kit.floats(4)
    given = {"inputs": rows, "labels": np.asarray(model(rows)).argmax(axis=1)}
    return kit.saved(folder, model, given)


def typed(files: source.Files, *options: str) -> list[str]:
    given = ["--model", str(files.model), "--calibration", str(files.calibration)]
    out = str(files.model.parent / "dist")
    return [*given, "--target", "cpu", "--out", out, *options]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["blind=0.01"], "metric blind is 0.75 for Keras's answers and 0.75 for the same answers "),
        (["sees=0.9"], "with a loss of 0.9 allowed, it could not fail; give one that compares"),
        (["fails=0.1"], "metric fails raised AttributeError: 'numpy.ndarray' object has no attri"),
        (["other=0.1"], "has no function 'other'; it has sees, blind, fails; give --metric "),
        (["sees=0.1", "--max-drop", "1"], "--max-drop and --metric both say what a quantized "),
    ],
)
def test_one_that_proves_nothing_is_refused_before_a_conversion(
    files: source.Files, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own, *others = options
    folder = files.model.parent
    assert main(typed(files, "--metric", f"{folder / 'own.py'}:{own}", *others)) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("export: ")
    assert said in line
    assert "converting" not in printed.out
    assert not (folder / "dist").exists()


def test_a_script_gives_a_function(files: source.Files) -> None:
    def blind(outputs: Any, labels: Any) -> float:
        return 0.5

    with pytest.raises(strop_export.SourceError) as refused:
        strop_export.export(
            files.model,
            files.calibration,
            target="cpu",
            out=files.model.parent / "dist",
            metric=(blind, 0.01),
            progress=None,
        )
    assert refused.value.problem.startswith("metric blind is 0.5 for Keras's answers and 0.5 for ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (max, "metric is a builtin_function_or_method; give (function, the loss that is allowed)"),
        ((max,), "metric is a tuple; give (function"),
        ((0.1, max), "the metric 'float' is no function with a printable name; give a function of"),
        ((max, -1), "metric max may lose -1; give a finite number of 0 or more"),
    ],
)
def test_a_script_that_gives_none_is_refused(files: source.Files, given: Any, said: str) -> None:
    with pytest.raises(strop_export.SourceError, match=re.escape(said)):
        strop_export.export(files.model, files.calibration, out="nowhere", metric=given)


def test_the_function_and_the_loss_belong_to_a_fresh_export(
    files: source.Files, tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")

    def key(function: str = "sees", loss: float = 0.1) -> str:
        own = metric.load(path, function, loss)
        return Request(files, tmp_path, metric=own).key()

    assert key() == key()
    changed = {Request(files, tmp_path).key(), key(), key(loss=0.2), key("blind")}
    path.write_text(f"{OWN}\nTHRESHOLD = 3\n", encoding="utf-8")
    assert len(changed | {key()}) == 5
