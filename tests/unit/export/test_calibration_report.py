"""The report about calibration samples: on the screen, in report.md, in the picture."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image

from strop_export import calibration, page
from strop_export.calibration import settling
from strop_export.calibration.ranges import Layer
from tests.environments import run
from tests.unit.export.test_report import content

LAST, GOOD = (213, 94, 0), (0, 158, 115)  # of a range that has not settled, and of one that has


def layer(name: str, low: float, high: float, *, even: bool) -> Layer:
    """A layer whose range few samples fill, or that one sample makes."""
    values = np.linspace(low, high, 200) if even else np.array([low, high] + [low / 2] * 198)
    column = values.astype(np.float32)[:, None]
    return Layer(name, 1, column, column)


def examined(*layers: Layer, **parts: Any) -> dict[str, Any]:
    kept = {"samples": 200, "held_out": 0, "warnings": []}
    return {**kept, "settling": settling.settle(layers), **parts}


EVEN = layer("even", -1, 1, even=True)
LATE = layer("one*sample", -1, 50, even=False)
WARNED = {"kind": "few", "input": "x|y", "found": "there is one sample", "mend": "give more"}


def test_a_line_says_when_ranges_settled() -> None:
    said = list(calibration.lines({"calibration": examined(EVEN)}))
    assert said == ["calibration: 200 samples; the ranges settled after 50, even last"]


def test_a_line_says_how_many_are_held_out() -> None:
    (said,) = calibration.lines({"calibration": examined(EVEN, held_out=66)})
    assert said.startswith("calibration: 200 samples, 66 held out; the ranges settled ")


def test_a_line_says_that_they_have_not() -> None:
    (said,) = calibration.lines({"calibration": examined(EVEN, LATE)})
    assert said.startswith(
        "calibration: 200 samples, and the ranges have not settled: the second half of them "
        "widened the range of one*sample by "
    )


def test_a_line_says_if_fewer_were_measured() -> None:
    (said,) = calibration.lines({"calibration": examined(EVEN, samples=900)})
    assert "900 samples (200 measured); " in said


def test_warnings_are_lines() -> None:
    _, said = calibration.lines({"calibration": examined(EVEN, warnings=[WARNED])})
    assert said == "calibration: warning: input 'x|y': there is one sample; give more"


def test_the_page_has_the_line_the_warnings_the_picture_and_the_layers() -> None:
    own = {"model": "a b", "calibration": examined(EVEN, LATE, warnings=[WARNED])}
    written = page.to_markdown({**content(), **own}).decode()
    assert "the ranges have not settled" in written
    assert r"- **Warning**: input 'x\|y': there is one sample; give more." in written
    assert "![how the ranges settle](<a%20b-calibration.png>)" in written
    assert written.index(r"| one\*sample | -1 to 50 |") < written.index("| even | -1 to 1 |")


def test_a_long_page_has_the_layers_that_settle_last() -> None:
    many = [layer(f"l{i}", -1, 1 + i, even=False) for i in range(30)]
    written = "\n".join(calibration.page({"model": "m", "calibration": examined(*many)}, str))
    assert written.count("\n| l") == 1 + 20  # the header
    assert "the last 20 of 30 layers" in written


@pytest.mark.parametrize(("layers", "color"), [([EVEN], GOOD), ([EVEN, LATE], LAST)])
def test_the_picture_shows_at_its_top_whether_they_settled(
    layers: list[Layer], color: tuple[int, int, int]
) -> None:
    drawn = calibration.draw("m", examined(*layers)["settling"])
    pixels = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"))[:40]
    other = LAST if color == GOOD else GOOD
    assert (pixels == color).all(axis=-1).any()
    assert not (pixels == other).all(axis=-1).any()


def test_names_are_not_read_as_formulas() -> None:
    odd = layer("$\\frac{1$" + "x" * 90, -1, 1, even=True)
    assert calibration.draw("$\\x$\n", examined(odd)["settling"])


def test_the_picture_does_not_depend_on_the_settings_of_a_notebook() -> None:
    given = "m", examined(layer("dense", -1, 1, even=True))["settling"]
    before = calibration.draw(*given)
    with rc_context({"axes.facecolor": "black", "font.size": 20}):
        assert calibration.draw(*given) == before


def test_reading_a_report_loads_nothing_slow() -> None:
    script = (
        "import sys, strop_export.calibration\n"
        "print({'tensorflow', 'keras', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    assert run(sys.executable, "-c", script).stdout.strip() == "set()"
