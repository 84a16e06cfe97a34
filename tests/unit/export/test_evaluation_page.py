"""An evaluation's figures for people: the tables, report.md, the picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image

from strop_export.evaluation import page, picture
from strop_export.evaluation.summary import by_badness, confused, number
from strop_export.evaluation.tally import Tally
from tests.unit.export.evaluation_kit import KINDS, samples
from tests.unit.export.outputs import spec

RED, BLUE = (213, 94, 0), (0, 114, 178)


def figures(kind: str = "class", *, labels: bool = True) -> dict[str, Any]:
    return samples(kind, 300).all(labels=labels).figures()


def sliced(*rows: tuple[str, int, int]) -> dict[str, Any]:
    """Slices of two classes, each with so many samples and so many of them right."""
    of = spec("class", (2,))._replace(labels=("cat", "dog"))
    tally = Tally([of], reference=False, slices=["site"])
    for value, total, right in rows:
        outputs = np.tile(np.array([[0.8, 0.2]], np.float32), (total, 1))
        labels = np.array([0] * right + [1] * (total - right))
        tally.add([outputs], [labels], {"site": [value] * total}, None)
    return tally.figures()


class TestTables:
    def test_the_figures_of_a_class(self) -> None:
        said = "\n".join(page.tables(figures(), 100))
        assert said.startswith("300 samples\n\nscores (class)\n")
        own = figures()["outputs"]["scores"]
        low, high = own["accuracy_limits"]
        assert f"{own['accuracy']:.4f}  {low:.4f} to {high:.4f}" in said
        assert f"{own['disagreements']} differ" in said
        assert "by class, worst F1 first" in said
        assert "labels  " not in said

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("labels", [True, False])
    def test_every_kind_fits_a_terminal(self, kind: str, labels: bool) -> None:
        lines = list(page.tables(figures(kind, labels=labels), 80))
        assert max(map(len, lines)) <= 80
        assert ("none" in "\n".join(lines)) != labels

    def test_long_tables_are_cut_on_the_screen_and_whole_on_the_page(self) -> None:
        found = sliced(*((f"v{i}", 20, 10 + i % 9) for i in range(30)))
        lines = list(page.tables(found, 100))
        assert sum(line.startswith("v") for line in lines) == 10
        assert ".. and 20 more" in lines
        written = page.markdown(found, 0, {})
        assert sum(line.startswith("| v") for line in written.split("\n")) == 30

    def test_slices_stand_worst_first_but_not_by_chance(self) -> None:
        """Of one sample that is wrong nothing is known; of 700 right ones of 1,000 much is."""
        found = sliced(("one", 1, 0), ("many", 1000, 700), ("good", 1000, 900))
        values = found["slices"]["site"]
        assert by_badness(values, found["outputs"]) == ["many", "good", "one"]

    def test_errors_are_sorted_by_the_worst_column(self) -> None:
        tally = Tally([spec("regression", (2,))], reference=False, slices=["site"])
        for value, error in (("a", [1, 10]), ("b", [2, 10]), ("c", [1, 50])):
            outputs = np.array([error] * 5, np.float32)
            tally.add([outputs], [np.zeros((5, 2))], {"site": [value] * 5}, None)
        found = tally.figures()
        assert by_badness(found["slices"]["site"], found["outputs"]) == ["c", "b", "a"]

    def test_no_value_has_a_name(self) -> None:
        assert "(none)" in "\n".join(page.tables(sliced(("", 3, 2), ("a", 3, 2)), 100))

    def test_what_is_confused_most_often_comes_first(self) -> None:
        own = sliced(("a", 10, 7), ("b", 10, 9))["outputs"]["scores"]
        assert confused(own) == [(1, 0, 4)]
        counts = [count for *_, count in confused(figures()["outputs"]["scores"])]
        assert counts == sorted(counts, reverse=True)
        assert counts != sorted(counts)
        sparse = samples("many", 300).figures()
        pairs = confused(sparse)
        assert sum(count for *_, count in pairs) == 300 - sparse["correct"]

    @pytest.mark.parametrize(
        ("figure", "said"),
        [(None, "-"), (1234, "1,234"), (0.5, "0.5000"), (1e-7, "1e-07"), (12345.678, "1.235e+04")],
    )
    def test_numbers_of_any_size_are_short(self, figure: Any, said: str) -> None:
        assert number(figure) == said


class TestPage:
    def test_it_says_what_was_evaluated(self) -> None:
        written = page.markdown(figures(), 1234, {"bundle": "a_b.strop"})
        assert "- bundle: a\\_b.strop" in written
        assert "- samples: 300" in written
        assert "- rows set aside: 1,234, listed in bad-rows.jsonl" in written
        assert "](evaluation.png)" in written
        assert "rows set aside: none" in page.markdown(figures(), 0, {})

    def test_names_of_others_stand_for_themselves(self) -> None:
        evil = "a|b `c` <i>[d](e)\n\n# f\x1b[2J\u202e"
        found = sliced((evil, 5, 2))
        written = page.markdown(found, 0, {evil: evil})
        lines = [*page.tables(found, 100), *written.split("\n")]
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("# f") for line in lines)
        row = next(line for line in written.split("\n") if line.startswith(r"| a\|b"))
        assert len(re.findall(r"(?<!\\)\|", row)) == 5  # of the value and three figures
        assert not re.findall(r"(?<!\\)[<\[]", row)


class TestPicture:
    def pixels(self, found: dict[str, Any], path: Path) -> np.ndarray:
        path.write_bytes(picture.draw(found))
        return np.asarray(Image.open(path).convert("RGB"))

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("labels", [True, False])
    def test_every_kind_has_one(self, kind: str, labels: bool, tmp_path: Path) -> None:
        drawn = self.pixels(figures(kind, labels=labels), tmp_path / "x.png")
        assert (drawn == BLUE).all(axis=-1).any()

    def test_a_slice_that_is_surely_worse_is_red(self, tmp_path: Path) -> None:
        bad = self.pixels(sliced(("a", 900, 800), ("b", 900, 500)), tmp_path / "a.png")
        good = self.pixels(sliced(("a", 900, 700), ("b", 900, 700)), tmp_path / "b.png")
        points = [(each[:, 2 * each.shape[1] // 3 :] == RED).all(axis=-1) for each in (bad, good)]
        assert points[0].any()
        assert not points[1].any()

    def test_nothing_to_draw(self, tmp_path: Path) -> None:
        empty = Tally([spec("class", (2,))], reference=False, slices=["site"]).figures()
        assert self.pixels(empty, tmp_path / "x.png").size
        tally = Tally([spec("raw", (2,))], reference=False, slices=[])
        tally.add([np.full((3, 2), np.nan, np.float32)], [None], {}, None)
        assert self.pixels(tally.figures(), tmp_path / "x.png").size

    def test_names_are_not_read_as_formulas(self, tmp_path: Path) -> None:
        assert self.pixels(sliced(("$\\frac{1$", 5, 2), ("\n", 5, 2)), tmp_path / "x.png").size

    def test_it_does_not_depend_on_the_settings_of_a_notebook(self, tmp_path: Path) -> None:
        found = figures()
        before = self.pixels(found, tmp_path / "a.png")
        with rc_context({"axes.facecolor": "black", "font.size": 20}):
            assert (self.pixels(found, tmp_path / "b.png") == before).all()
