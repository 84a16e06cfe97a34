"""The pictures of a run: all subjects, named, with units, in readable type."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from benchmarks import drawing, plots
from benchmarks.plots import __main__ as command
from benchmarks.plots import top
from benchmarks.results import LATEST, LIMIT, PEER, STROP, UNITS, Results, Row, load
from benchmarks.subjects import subjects
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
        assert any(unit in said for unit in ("us ", "ms ", "images a second", "microseconds"))


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


def test_strop_is_bold(figure: Figure) -> None:
    ours = [text for text in texts(figure) if text.get_text().startswith(("Strop ", "Strop, "))]
    assert ours
    assert {text.get_fontweight() for text in ours} == {"bold"}


def bars(results: Results) -> dict[str, tuple[str, float]]:
    """The bars of the top: name -> the figure beside it, and the length."""
    (axes,) = drawn("top.png", results).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    lengths = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
    figures = [text.get_text() for text in axes.texts]
    return dict(zip(names, zip(figures, lengths, strict=True), strict=True))


Who = tuple[str, str, str, str]  # the first fields of a row


def timed(latencies: dict[Who, float]) -> Results:
    """A run of these subjects, in microseconds."""
    rows = (Row(*who, "latency", 1, value=us) for who, us in latencies.items())
    return Results({}, tuple(rows), ())


class TestTop:
    def test_strop_and_each_package_at_its_fastest(self) -> None:
        assert list(bars(sample.results())) == [
            "Strop, int8",
            "Strop, float32",
            "LiteRT, int8",
            "emx-onnx-cgen, float32",
            "tflite-runtime, float32",
            "ONNX Runtime, float32",
            "OpenVINO, int8",
            "emlearn, float32",
            "IREE, float32",
            "Keras, float32",  # the slowest, and before TFLite Micro
        ]

    def test_the_bars_have_the_figures_of_the_run(self) -> None:
        run = load(LATEST)
        shown = bars(run)
        assert len(shown) == 10
        for one in top.chosen(subjects(run)):
            figure, length = shown[top._label(one)]
            us = one.value("latency")
            assert us is not None
            assert float(figure.removesuffix(" (cut)").replace(",", "")) == pytest.approx(us, 0.02)
            assert length <= us
            assert (length == us) != figure.endswith(" (cut)")

    def test_the_title_says_what_the_bars_show(self) -> None:
        ours = ("Strop native int8", STROP, "native", "int8")
        other = ("TVM, ours float32", PEER, "", "float32")
        said = words(drawn("top.png", timed({ours: 2.0, other: 1.0})))
        assert (
            "each package at its fastest:\n2.00 microseconds with Strop, 1.00 with the next" in said
        )
        assert "in microseconds" in words(drawn("top.png", timed({ours: 2.0})))

    def test_only_packages_on_the_test_set_count(self) -> None:
        shown = bars(
            timed(
                {
                    ("Loop in C int8", LIMIT, "native", "int8"): 0.1,
                    ("NumPy alone float32", PEER, "reference", "float32"): 0.2,
                    ("OpenVINO run int8 dense", PEER, "", "int8"): 0.3,
                    ("Strop native int8 avx2", STROP, "native", "int8"): 0.4,
                    ("Strop litert float16", STROP, "litert", "float16"): 0.5,
                    ("LiteRT run dynamic", PEER, "litert", "dynamic"): 3.0,
                    ("LiteRT run int8", PEER, "litert", "int8"): 4.0,
                }
            )
        )
        assert shown == {"LiteRT, dynamic int8": ("3.00", 3.0)}

    def test_random_pixels_are_told(self) -> None:
        assert "On random pixels it takes 0.60 in int8." in words(drawn("top.png"))

    def test_a_run_of_loops_by_hand_alone(self) -> None:
        assert bars(timed({("NumPy alone float32", PEER, "reference", "float32"): 0.2})) == {}


def test_a_card_is_opaque_but_for_its_corners(tmp_path: Path) -> None:
    drawing.save(drawn("top.png"), tmp_path / "top.png")
    assert (tmp_path / "top.png").stat().st_size < 120_000
    with Image.open(tmp_path / "top.png") as picture:
        opacity = np.asarray(picture.convert("RGBA"))[:, :, 3]
    assert opacity[0, 0] == opacity[-1, -1] == 0
    assert opacity[40:-40, 3:-3].min() > 250


class TestFew:
    """A run of a few subjects or axes."""

    def test_one_subject(self, tmp_path: Path) -> None:
        whole = sample.results()
        one = tuple(row for row in whole.rows if row.subject == "Strop litert float32")
        paths = plots.write(Results({}, one, ()), tmp_path / "new")
        assert [path.name for path in paths] == NAMES

    def test_without_samples_or_tail(self) -> None:
        row = Row("A", "peer", "", "", "latency", 1, value=3.0, unit="us")
        assert "3.00" in words(drawn("latency.png", Results({}, (row,), ())))

    def test_only_what_was_measured(self, tmp_path: Path) -> None:
        some = tuple(row for row in sample.results().rows if row.axis in ("latency", "memory"))
        paths = plots.write(Results({}, some, ()), tmp_path)
        assert [path.name for path in paths] == ["top.png", "latency.png"]
        assert plots.write(Results({}, (), ()), tmp_path) == []

    def test_an_accuracy_without_a_latency(self, tmp_path: Path) -> None:
        some = tuple(row for row in sample.results().rows if row.axis == "accuracy")
        assert plots.write(Results({}, some, ()), tmp_path) == []


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
