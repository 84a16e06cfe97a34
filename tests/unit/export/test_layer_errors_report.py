"""The errors of the layers for people: the explained report, and the picture."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib import rc_context

from strop_export import page
from strop_export.__main__ import main
from strop_export.formats import Quantization, VariantSpec
from strop_export.layer_errors.entries import FileErrors, entry, title, verdict
from strop_export.layer_errors.measure import TensorError
from strop_export.layer_errors.picture import draw, figure_of
from tests.unit.export import test_guard_report
from tests.unit.export.test_layer_errors import figures
from tests.unit.export.test_report import content

BUNDLE = "m-gpu.strop"
INT8 = VariantSpec("tflite", "int8")
_KINDS = ("class", "raw", "regression", "rounding", "weights", "sum")  # words that the code knows


def file(count: int, broken: int | None = None, spec: VariantSpec = INT8) -> dict[str, Any]:
    """A file of `count` layers; that of number `broken` is ruined by its rounding."""
    tensors = [
        TensorError(
            *(f"{i}.dense", "dense", f"dense_{i}", "int8", i == count - 1),
            figures(40.0 if broken is None or i < broken else 0.5),
            figures(1.0 if i == broken else 45.0),
            None if i % 2 else figures(50.0),
        )
        for i in range(count)
    ]
    return entry(BUNDLE, "gpu", FileErrors(spec, tensors, ships=broken is None))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle, and a report beside it."""
    path = tmp_path / BUNDLE
    path.write_bytes(b"bundle")
    made = content()
    made["bundles"][0]["sha256"] = hashlib.sha256(b"bundle").hexdigest()
    made["layers"] = [file(3, broken=1), file(40, spec=VariantSpec("onnx", "float16"))]
    (tmp_path / "report.json").write_text(json.dumps(made))
    return path


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["explain", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_table_names_the_layer_where_it_breaks(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = explained(capsys, str(bundle))
    assert status == 0
    assert f"{BUNDLE}  (1,234,567 bytes)" in out
    assert "tflite int8, left out: breaks at dense_1: its values are rounded too coarsely" in out
    (row,) = [line for line in out.splitlines() if "<- breaks here" in line]
    assert row.split()[:6] == ["dense_1", "dense", "int8", "0.5", "1.0", "-"]
    assert "onnx float16: no layer breaks it; the outputs keep 40.0 dB" in out
    assert "the worst 12 of 40 tensors; all 40: --all" in out


def test_all_shows_every_tensor_and_file_only_one_file(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = explained(capsys, str(bundle), "--file", "onnx-float16", "--all")
    assert [f"dense_{i}" in out for i in (0, 20, 39)] == [True] * 3
    assert "tflite" not in out
    assert "--all" not in out


def test_json_has_the_parts_of_the_report(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = explained(capsys, str(bundle), "--json", "--file", "tflite-int8")
    said = json.loads(out)
    assert [layer["culprit"]["layer"] for layer in said["layers"]] == ["dense_1"]
    assert said["bundles"][0]["file"] == BUNDLE


def rewrite(bundle: Path, change: Any) -> None:
    """Add a guard's path to the report beside a bundle, and change the report."""
    report = bundle.parent / "report.json"
    made = json.loads(report.read_text())
    found = test_guard_report.entry(test_guard_report.MISS, test_guard_report.HOLD)
    made["guard"] = [{**found, "bundle": BUNDLE}]
    change(made)
    report.write_text(json.dumps(made))


def test_the_guard_s_path_is_printed(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(bundle, lambda made: None)
    _, out, _ = explained(capsys, str(bundle))
    assert out.count("tflite int8, judged on 75 held-out samples") == 1
    assert "int8 did not hold (accuracy 0.119, Keras 0.868): mixed, dense_1 in float does" in out


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--file", "tflite-int8")])
@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["layers"][0].pop("format"),
        lambda made: made["layers"][0].pop("tensors"),
        lambda made: made["layers"][0].update(tensors=3),
        lambda made: made["layers"][0]["tensors"][0].update(layer=3),
        lambda made: made["layers"][0]["tensors"][0]["total"].update(channels_db="x"),
        lambda made: made["layers"][0]["tensors"][0]["total"].update(max_error=10**400),
        lambda made: made["layers"][0]["culprit"].update(cause="x"),
    ],
)
def test_a_malformed_report_is_one_line(
    bundle: Path, capsys: pytest.CaptureFixture[str], change: Any, arguments: tuple[str, ...]
) -> None:
    rewrite(bundle, change)
    status, out, err = explained(capsys, str(bundle), *arguments)
    assert status == 2
    assert "report.json is not a report of strop-export; export the model again" in err
    assert err.count("\n") == 1
    assert bool(out) is ("--json" in arguments)  # the error


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["guard"][0].update(steps=[]),
        lambda made: made["guard"][0]["steps"][0]["outputs"][0].update(bounds={}),
        lambda made: made["variants"][0].pop("engine"),
        lambda made: made["variants"][0].update(outputs=None),
        lambda made: made.update(bundles=3),
        lambda made: made["bundles"][0].update(bytes=float("inf")),
    ],
)
def test_a_malformed_guard_or_variant_is_one_line(
    bundle: Path, capsys: pytest.CaptureFixture[str], change: Any
) -> None:
    test_a_malformed_report_is_one_line(bundle, capsys, change, ("--json",))


def test_a_terminal_obeys_nothing_in_a_report(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def poison(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: poison(value) for key, value in part.items()}
        if isinstance(part, list):
            return [poison(value) for value in part]
        free = isinstance(part, str) and part not in (*_KINDS, BUNDLE) and len(part) < 64
        return f"\x1b[31m{part}\u202e" if free else part

    rewrite(bundle, lambda made: made.update(poison(made)))
    status, out, _ = explained(capsys, str(bundle))
    assert status == 0
    assert r"\x1b[31m" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), "No such file or directory; name a .strop file"),
        (lambda path: path.write_bytes(b"other"), "SHA-256 differs; export the model again"),
        (lambda path: (path.parent / "report.json").unlink(), "report.json: No such file"),
        (lambda path: (path.parent / "report.json").write_text("[1"), "is not a report"),
        (lambda path: (path.parent / "report.json").write_text("[]"), "is not a report"),
    ],
)
def test_a_report_that_does_not_fit_is_one_line(
    bundle: Path, capsys: pytest.CaptureFixture[str], change: Any, said: str
) -> None:
    change(bundle)
    status, out, err = explained(capsys, str(bundle), "--json")
    assert status == 2
    assert json.loads(out)["error"]["kind"] == "bundle"
    assert said in err
    assert err.count("\n") == 1


def test_a_bundle_that_the_report_does_not_mention(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = bundle.with_name("other.strop")
    other.write_bytes(b"bundle")
    assert "does not mention other.strop; export" in explained(capsys, str(other))[2]


def test_an_unknown_file_gets_the_names_that_are_there(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = explained(capsys, str(bundle), "--file", "tflite-int4")
    assert "choose from: tflite-int8, onnx-float16" in err


def test_it_loads_nothing_slow(bundle: Path) -> None:
    program = (
        "import sys; from strop_export.__main__ import main; "
        f"main(['explain', {str(bundle)!r}]); "
        "sys.exit(not {'tensorflow', 'keras', 'matplotlib', 'scipy'}.isdisjoint(sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_a_title_tells_the_recipe() -> None:
    own = Quantization("percentile", equalized=True)
    made = file(1, spec=VariantSpec("tflite", "int8", quantization=own))
    assert title(made) == "tflite int8 (percentile ranges, equalized)"


def test_the_page_shows_the_picture_and_where_it_breaks() -> None:
    made = content()
    made["layers"] = [file(3, broken=1)]
    written = page.to_markdown(made).decode()
    assert "![signal to noise of each layer](m-gpu-layers.png)" in written
    assert f"- **tflite int8**: {verdict(made['layers'][0])}".replace("_", r"\_") in written


@pytest.mark.parametrize("count", [1, 3, 150])
def test_the_picture_marks_the_layer_where_a_file_breaks(count: int) -> None:
    at = count // 2
    figure = figure_of("m$x$.strop", [file(count, broken=at), file(count)])
    first, second = figure.axes[:2]
    assert [text.get_text().splitlines()[0] for text in first.texts] == [f"breaks at dense_{at}"]
    assert not second.texts
    labels = [label for label in first.get_xticklabels() if label.get_fontweight() == "bold"]
    assert [label.get_text() for label in labels] == [f"dense_{at}"]
    assert len(first.get_xticklabels()) <= 46
    assert draw("m$x$.strop", [file(count, broken=at)]).startswith(b"\x89PNG")


def test_the_picture_does_not_depend_on_the_settings_of_a_notebook() -> None:
    given = "m.strop", [file(3), file(3, broken=1)]
    before = draw(*given)
    with rc_context({"figure.constrained_layout.use": True, "font.size": 20}):
        assert draw(*given) == before
