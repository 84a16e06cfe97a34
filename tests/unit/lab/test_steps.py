"""Long steps: complete or not at all, and only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.steps import call, made, make


def test_a_folder_is_made_once_for_each_recipe(tmp_path: Path) -> None:
    folder, times = tmp_path / "thing", []

    def by(place: Path) -> None:
        times.append(1)
        (place / "content").write_text("x", encoding="ascii")

    for recipe in ("one", "one", "two", "two"):
        make(folder, recipe, by=by)
        assert made(folder, recipe)
    assert len(times) == 2
    assert not made(folder, "one")


def test_a_cut_off_step_is_made_again_from_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "thing"

    def cut_off(place: Path) -> None:
        (place / "half").write_text("x", encoding="ascii")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(folder, "one", by=cut_off)
    assert not made(folder, "one")
    make(folder, "one", by=lambda place: None)
    assert made(folder, "one")
    assert not (folder / "half").exists()


def test_recipes_are_not_run_together(tmp_path: Path) -> None:
    make(tmp_path / "thing", "a", "bc", by=lambda place: None)
    assert not made(tmp_path / "thing", "ab", "c")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["sh", "-c", "echo fine; echo worse >&2; exit 3"], "doing it: sh gave exit 3: worse"),
        (["no-such-program-here"], "doing it: .*No such file"),
    ],
)
def test_what_fails_says_what_was_done(command: list[str], said: str) -> None:
    with pytest.raises(LabError, match=said):
        call(command, "doing it")
