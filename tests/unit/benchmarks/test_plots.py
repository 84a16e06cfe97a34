"""The pictures of a run: all subjects, named, with units, in readable type."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from benchmarks import drawing, plots
from benchmarks.plots import __main__ as command
from benchmarks.plots import front
from benchmarks.results import UNITS, Results, Row
from benchmarks.subjects import Subject, subjects
from tests.unit.benchmarks import sample

NAMES = [picture.name for picture in plots.PICTURES]


def drawn(name: str, results: Results | None = None) -> Figure:
    (picture,) = (picture for picture in plots.PICTURES if picture.name == name)
    figure = picture.draw(results or sample.results())
    figure.draw_without_rendering()
    return figure


def texts(figure: Figure) -> list[Text]:
    """All visible texts."""
    unseen = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    found = [text for text in figure.findobj(Text) if text not in unseen]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


@pytest.fixture(scope="module", params=NAMES)
def figure(request: pytest.FixtureRequest) -> Figure:
    return drawn(request.param)


class TestEveryPicture:
    def test_its_type_is_read_at_the_width_of_a_readme(self, figure: Figure) -> None:
        shown = 830 / 96 / figure.get_figwidth()  # 96 of a page's pixels are an inch
        assert min(float(text.get_fontsize()) for text in texts(figure)) * shown >= 8

    def test_nothing_is_cut_off(self, figure: Figure) -> None:
        width, height = figure.canvas.get_width_height()
        for text in texts(figure):
            box = text.get_window_extent()
            if box.width:
                assert box.x0 >= -1, text.get_text()
                assert box.x1 <= width + 1, text.get_text()
                assert box.y0 >= -1, text.get_text()
                assert box.y1 <= height + 1, text.get_text()

    def test_no_two_texts_overlap(self, figure: Figure) -> None:
        boxes = []
        for text in texts(figure):
            drawn_box = Text.get_window_extent(text)  # an annotation without its line
            if drawn_box.width:
                boxes.append((text.get_text(), drawn_box.padded(-1.5)))
        for (one, a), (other, b) in itertools.combinations(boxes, 2):
            assert not a.overlaps(b), (one, other)

    def test_its_axes_have_units(self, figure: Figure) -> None:
        said = words(figure)
        assert any(unit in said for unit in ("us ", "ms ", "images a second"))


class TestNobodyIsHidden:
    @pytest.mark.parametrize("name", ["latency.png", "cold-start.png"])
    def test_a_line_each(self, name: str) -> None:
        said = words(drawn(name)).splitlines()
        (picture,) = (picture for picture in plots.PICTURES if picture.name == name)
        measured = [one.name for one in subjects(sample.results()) if one.row(picture.axes[0])]
        assert measured
        assert set(measured) <= set(said)

    def test_who_is_absent_is_said(self) -> None:
        said = words(drawn("latency.png"))
        assert "Not here: TVM float32: has no wheel for Python 3.11" in said

    def test_every_way_to_call_has_a_line_of_throughput(self) -> None:
        said = words(drawn("throughput.png"))
        timed = [one for one in subjects(sample.results()) if one.by_batch("throughput")]
        for one in timed:
            if one.is_usual:
                assert f"\n{one.way} " in said
        assert "Strop onnx int8: 2.51M at best" in said  # and not its float32

    def test_only_strops_own_engine_has_a_line_for_dense_images(self) -> None:
        said = words(drawn("throughput.png"))
        assert "Strop native int8 dense: 3M at best" in said
        assert "native: Strop's own engine" in said
        assert "OpenVINO infer int8 dense" not in said

    def test_every_other_package_is_named_in_the_front(self) -> None:
        said = words(drawn("front.png"))
        for name in ("Keras predict float32", "IREE float32", "OpenVINO infer int8"):
            assert name in said


def test_strop_is_bold(figure: Figure) -> None:
    ours = [text for text in texts(figure) if text.get_text().startswith("Strop ")]
    assert ours
    assert {text.get_fontweight() for text in ours} == {"bold"}


def choice(us: float, accuracy: float) -> front.Choice:
    return front.Choice(Subject("", "", "", ""), us, accuracy, 1.0)


def test_the_front_is_those_than_which_none_is_better() -> None:
    quick, exact, both = choice(1, 97), choice(10, 98), choice(5, 97.5)
    worse = [choice(2, 96), choice(11, 98), choice(5, 97.2), choice(1, 96)]
    assert front.front([*worse, exact, quick, both]) == [quick, both, exact]


def test_strops_files_are_its_bundle_at_every_precision() -> None:
    sizes = {one.subject.name: one.kilobytes for one in front._choices(sample.results())}
    assert sizes["Strop litert int8"] == sizes["Strop litert float32"] == 902
    assert sizes["LiteRT tensor() int8"] == sizes["LiteRT set_tensor int8"] == 48.688
    assert sizes["Keras predict float32"] == 170.8
    assert sizes["OpenVINO infer int8"] == 48.688


class TestFew:
    """A run of a few subjects or axes."""

    def test_one_subject(self, tmp_path: Path) -> None:
        whole = sample.results()
        rows = tuple(row for row in whole.rows if row.subject == "Strop onnx float32")
        paths = plots.write(Results({}, rows, ()), tmp_path / "new")
        assert [path.name for path in paths] == NAMES

    def test_without_samples_or_tail(self) -> None:
        row = Row("A", "peer", "", "", "latency", 1, value=3.0, unit="us")
        assert "3.00" in words(drawn("latency.png", Results({}, (row,), ())))

    def test_only_what_was_measured(self, tmp_path: Path) -> None:
        rows = tuple(row for row in sample.results().rows if row.axis in ("latency", "memory"))
        paths = plots.write(Results({}, rows, ()), tmp_path)
        assert [path.name for path in paths] == ["latency.png"]
        assert plots.write(Results({}, (), ()), tmp_path) == []

    def test_an_accuracy_without_a_latency(self, tmp_path: Path) -> None:
        rows = tuple(row for row in sample.results().rows if row.axis == "accuracy")
        assert plots.write(Results({}, rows, ()), tmp_path) == []


def test_the_command_draws_again_and_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.json"
    sample.results().write(path)
    assert command.main([str(path)]) == 0
    named = capsys.readouterr().out.split()
    assert named == [str(tmp_path / name) for name in (*NAMES, "run.md")]
    for name in NAMES:
        with Image.open(tmp_path / name) as picture:
            assert (picture.format, picture.width) == ("PNG", 1440)
    assert command.main([str(path), "--out", str(tmp_path / "again")]) == 0
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("junk", [None, "", "[]", '{"rows": 1}'])
def test_the_command_refuses_junk(
    junk: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "junk.json"
    if junk is not None:
        path.write_text(junk, encoding="ascii")
    assert command.main([str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"benchmarks: {path} is not a result of make bench")
    assert said.count("\n") == 1


def test_the_sample_has_every_axis() -> None:
    assert {row.axis for row in sample.results().rows} == set(UNITS)


def test_short_numbers() -> None:
    assert [drawing.short(v) for v in (0.5, 1, 999, 1e3, 2.5e6, 1e9)] == [
        *("0.5", "1", "999", "1k", "2.5M", "1G")
    ]
