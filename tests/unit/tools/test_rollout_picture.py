"""The picture of a rollout, and its figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from benchmarks import drawing
from tools import rollout_picture
from tools.rollout_picture import FIGURES, Moment, Rollouts, Step

ROLLOUTS = Rollouts(
    100,
    ("the first", "good", "wrong answers"),
    (Step(10, "canaries", 2), Step(30, "all", 2), Step(60, "canaries", 3), Step(70, "", 3)),
    (
        Moment(0, (100, 0, 0), 0),
        Moment(15, (99, 1, 0), 0),
        Moment(40, (0, 100, 0), 0),
        Moment(65, (0, 100, 0), 1),
        Moment(80, (0, 100, 0), 0),
    ),
)


@pytest.fixture(scope="module")
def committed() -> Rollouts:
    return rollout_picture.load()


def texts_of(figure: Figure) -> list[str]:
    (axes,) = figure.axes
    return [text.get_text() for text in (*axes.texts, *figure.texts)]


class TestFigures:
    def test_they_are_written_as_they_are_read(self, tmp_path: Path) -> None:
        ROLLOUTS.write(tmp_path / "rollout.json")
        assert rollout_picture.load(tmp_path / "rollout.json") == ROLLOUTS

    @pytest.mark.parametrize("running", [(99, 1), (99, 1, 1)])
    def test_those_that_contradict_each_other_are_refused(
        self, running: tuple[int, ...], tmp_path: Path
    ) -> None:
        path = tmp_path / "rollout.json"
        Rollouts(100, ROLLOUTS.names, (), (Moment(0, running, 0),)).write(path)
        with pytest.raises(ValueError, match="minute 0 is not of these devices"):
            rollout_picture.load(path)


class TestPicture:
    def test_it_has_a_line_for_each_version_that_ran_and_one_for_failures(self) -> None:
        (axes,) = rollout_picture.draw(ROLLOUTS).axes
        lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}
        assert lines["run v1"] == [100, 99, 0, 0, 0]
        assert lines["run v2"] == [0, 1, 100, 100, 100]
        assert lines["refused it, or went back"] == [0, 0, 0, 1, 0]
        assert "run v3" not in lines

    def test_it_names_each_step_and_each_release(self) -> None:
        assert texts_of(rollout_picture.draw(ROLLOUTS))[:6] == [
            "canaries",
            "v2: good",
            "all",
            "canaries",
            "v3: wrong answers",
            "stopped",
        ]

    def test_nothing_is_cut_off(self, committed: Rollouts) -> None:
        figure = rollout_picture.draw(committed)
        figure.draw_without_rendering()
        width, height = figure.canvas.get_width_height()
        for text in (*figure.axes[0].texts, *figure.texts):
            box = text.get_window_extent()
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= width, text.get_text()
            assert box.y0 >= 0, text.get_text()
            assert box.y1 <= height, text.get_text()


class TestCommitted:
    """docs/pictures/rollout.json."""

    def test_its_rollouts_went_as_the_page_says(self, committed: Rollouts) -> None:
        stopped = [step.version for step in committed.steps if not step.group]
        assert committed.devices == 1000
        assert stopped == [3, 4]
        assert committed.moments[-1].running == (0, 1000, 0, 0)
        assert all(sum(moment.running[2:]) == 0 for moment in committed.moments)
        assert 0 < max(moment.failed for moment in committed.moments) <= 30  # of 1 %

    def test_the_picture_is_of_the_figures(self, committed: Rollouts, tmp_path: Path) -> None:
        drawing.save(rollout_picture.draw(committed), tmp_path / "rollout.png")
        drawn, there = (
            np.asarray(Image.open(place).convert("RGBA"), np.int16)
            for place in (tmp_path / "rollout.png", FIGURES.with_suffix(".png"))
        )
        assert drawn.shape == there.shape
        assert (np.abs(drawn - there) > 64).sum() < 50
        assert FIGURES.with_suffix(".png").stat().st_size < 120_000


class TestCommand:
    def test_it_takes_the_results_and_draws(self, tmp_path: Path) -> None:
        found, figures = tmp_path / "found.json", tmp_path / "figures.json"
        ROLLOUTS.write(found)
        assert rollout_picture.main([str(found), "--figures", str(figures)]) == 0
        assert rollout_picture.load(figures) == ROLLOUTS
        with Image.open(tmp_path / "figures.png") as picture:
            assert picture.width == 1440

    @pytest.mark.parametrize("junk", ["", "{}", json.dumps({"steps": [{}], "moments": []})])
    def test_it_refuses_junk_and_changes_nothing(
        self, junk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found, figures = tmp_path / "found.json", tmp_path / "figures.json"
        found.write_text(junk, encoding="ascii")
        assert rollout_picture.main([str(found), "--figures", str(figures)]) == 2
        assert capsys.readouterr().err.startswith("rollout_picture: ")
        assert not figures.exists()
