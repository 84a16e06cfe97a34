"""strop drift: what it reads, says and refuses."""

from __future__ import annotations

import json
import os
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from strop import diagnostics
from strop.bundle.counts import Counts, add
from strop.cli import main
from strop.diagnostics import counts_files
from tests import bundles
from tests.profiles import CALIBRATION, counted, pictures, profiled

LIKE = "the input looks like what the model was proven on"


class Place:
    """A bundle, and counts of its model in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = profiled(bundles.image(), CALIBRATION).write(folder / "shapes.strop")
        self.good = counted(self.bundle, pictures(200, seed=2))
        self.dark = counted(self.bundle, pictures(200, seed=3, high=128))

    def save(self, counts: Counts, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        counts.save(path)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Said:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def content(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def drift(place: Place, capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(*arguments: object) -> Said:
        status = main(["drift", str(place.bundle), *map(str, arguments)])
        return Said(status, *capsys.readouterr())

    return ask


def test_what_is_alike_has_status_0_and_says_so_first(place: Place, drift: Any) -> None:
    said = drift(place.save(place.good, "counts.json"))
    assert (said.status, said.err) == (0, "")
    assert said.lines[0] == f"alike: {LIKE}"
    assert said.lines[1].startswith("shapes v1 for cpu: 200 samples of 200 calls, 20")
    assert said.lines[2].split() == ["figure", "judged", "PSI", "by", "chance", "distance", "p"]
    assert len(said.lines) == 3 + 12 + 1
    assert said.lines[-1] == "8 more figures are alike"


def test_what_has_drifted_has_status_1_and_names_the_strongest(place: Place, drift: Any) -> None:
    said = drift(place.save(place.dark, "counts.json"))
    assert said.status == 1
    assert said.lines[0].startswith("drifted: ")
    assert "the picture is darker" in said.lines[0]
    assert said.lines[0].endswith("more figures have changed")


def test_files_and_folders_are_summed(place: Place, drift: Any) -> None:
    place.save(place.good, "folder/a.json")
    place.save(place.good, "folder/b.json")
    (place.folder / "folder" / "notes.txt").write_text("no counts, and not looked at")
    one = place.save(place.dark, "one.json")
    content = drift(place.folder / "folder", one, "--json").content
    wanted = add(add(place.good, place.good), place.dark)
    assert (content["samples"], content["calls"], content["taken"]) == (600, 600, 3)
    (mean,) = (one for one in content["findings"] if one["figure"] == "mean")
    assert tuple(mean["seen"]) == wanted.inputs[0][0]
    assert "the sum of 3 counts" in drift(place.folder / "folder", one).lines[1]


def test_a_file_that_is_there_twice_is_added_once(place: Place, drift: Any) -> None:
    file = place.save(place.good, "folder/a.json")
    link = place.folder / "link.json"
    link.symlink_to(file)
    copy = place.save(place.good, "copy.json")
    named = (file, link, place.folder / "folder", file, copy)
    content = drift(*named, "--json").content
    assert (content["samples"], content["taken"]) == (400, 2)


def test_the_json_has_all_figures(place: Place, drift: Any) -> None:
    said = drift(place.save(place.dark, "counts.json"), "--json")
    content = said.content
    assert said.status == 1
    assert content["level"] == "drifted"
    assert content["bundle"] == str(place.bundle)
    assert content["digest"] == place.dark.bundle
    assert content["left_out"] == {"other_bundles": 0, "unreadable": 0, "reports": {}}
    assert content["unjudged"] == []
    assert len(content["findings"]) == 20
    first = content["findings"][0]
    assert {*first} == {
        *("input", "figure", "level", "psi", "by_chance", "distance", "p_value"),
        *("edges", "expected", "seen"),
    }
    assert {one["output"] for one in content["findings"] if "output" in one} == {"probabilities"}


def test_counts_of_other_bundles_are_left_out_aloud(place: Place, drift: Any) -> None:
    place.save(place.good, "folder/a.json")
    place.save(place.dark._replace(bundle="e" * 64), "folder/b.json")
    (place.folder / "folder" / "c.json").write_bytes(b"no counts")
    said = drift(place.folder / "folder")
    assert said.status == 0
    assert said.lines[2] == "left out: 1 of other bundles, 1 that cannot be used"
    left_out = drift(place.folder / "folder", "--json").content["left_out"]
    assert left_out == {"other_bundles": 1, "unreadable": 1, "reports": {}}


def test_nothing_of_this_bundle_cannot_be_told(place: Place, drift: Any) -> None:
    said = drift(place.save(place.good._replace(bundle="e" * 64), "counts.json"))
    assert (said.status, said.out) == (2, "")
    assert "cannot tell: nothing was counted of shapes v1 for cpu (1 of other bundles)" in said.err


def test_too_few_samples_cannot_be_told(place: Place, drift: Any) -> None:
    few = counted(place.bundle, pictures(49))
    said = drift(place.save(few, "counts.json"), "--json")
    assert said.status == 2
    assert "cannot tell: 49 samples" in said.content["error"]["problem"]


def test_a_bundle_without_a_profile_is_refused(place: Place, capsys: Any) -> None:
    bare = bundles.image().write(place.folder / "bare.strop")
    counts = place.save(place.good, "counts.json")
    assert main(["drift", str(bare), str(counts)]) == 2
    assert "cannot tell" in capsys.readouterr().err


HOSTILE = {
    "empty": b"",
    "not JSON": b"\x00\xff\x1b[2J",
    "deep": b"[" * 20_000,
    "large": b" " * 10**7,
    "other fields": b'{"schema":1}',
}


@pytest.mark.parametrize("kind", [*HOSTILE, "absent", "a FIFO", "loop"])
def test_a_named_file_that_is_no_counts_is_refused(kind: str, place: Place, drift: Any) -> None:
    path = place.folder / "counts.json"
    if kind in HOSTILE:
        path.write_bytes(HOSTILE[kind])
    elif kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    said = drift(place.save(place.good, "good.json"), path)
    assert (said.status, said.out) == (2, "")
    assert str(path) in said.err
    assert len(said.err) < 500


def test_counts_of_other_figures_that_name_this_bundle_are_refused(
    place: Place, drift: Any
) -> None:
    false = place.good._replace(inputs=(place.good.inputs[0][:3],))
    said = drift(place.save(false, "counts.json"))
    assert said.status == 2
    assert "the counts name this bundle, and have other figures than it" in said.err


def test_huge_counts_are_judged_without_an_overflow(place: Place, drift: Any) -> None:
    def more(side: Any) -> Any:
        return tuple(tuple(tuple(n * 10**16 for n in bins) for bins in one) for one in side)

    good = place.good
    huge = good._replace(
        samples=good.samples * 10**16,
        calls=good.calls * 10**16,
        inputs=more(good.inputs),
        outputs=more(good.outputs),
    )
    assert drift(place.save(huge, "a.json"), place.save(huge, "b.json")).status in (0, 1)


def test_a_folder_of_too_many_files_is_refused(
    place: Place, drift: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts_files, "MOST_FILES", 2)
    for name in "abc":
        place.save(place.good, f"folder/{name}.json")
    said = drift(place.folder / "folder")
    assert said.status == 2
    assert "more than 2 files" in said.err


class TestSince:
    def test_only_what_came_after_is_judged(self, place: Place, drift: Any) -> None:
        before = add(place.good, place.good)._replace(until="2026-11-28T05:00:00Z")
        now = place.save(add(before, place.dark), "now.json")
        earlier = place.save(before, "before.json")
        content = drift(now, "--since", earlier, "--json").content
        assert (content["samples"], content["since"]) == (200, "2026-11-28T05:00:00Z")
        alone = drift(place.save(place.dark, "dark.json"), "--json").content
        assert content["findings"] == alone["findings"]
        assert drift(now, "--json").content["findings"] != alone["findings"]

    def test_counts_that_were_begun_anew_are_refused(self, place: Place, drift: Any) -> None:
        said = drift(place.save(place.good, "a.json"), "--since", place.save(place.dark, "b.json"))
        assert said.status == 2
        assert "not earlier ones of these" in said.err

    def test_an_earlier_beginning_is_refused_though_more_was_counted(
        self, place: Place, drift: Any
    ) -> None:
        before = place.good._replace(since="2026-11-27T05:00:00Z")
        now = add(place.good, place.dark)
        said = drift(place.save(now, "now.json"), "--since", place.save(before, "before.json"))
        assert said.status == 2
        assert "begun anew" in said.err

    def test_those_of_another_bundle_are_refused(self, place: Place, drift: Any) -> None:
        other = place.save(place.good._replace(bundle="e" * 64), "other.json")
        said = drift(place.save(place.good, "now.json"), "--since", other)
        assert (said.status, said.out) == (2, "")
        assert "--since has no counts of shapes v1 for cpu" in said.err


class TestPicture:
    def test_it_is_a_png_and_the_same_each_time(self, place: Place, drift: Any) -> None:
        path = place.folder / "drift.png"
        counts = place.save(place.dark, "counts.json")
        said = drift(counts, "--picture", path)
        assert said.status == 1
        assert said.lines[-1] == f"picture: {path}"
        first = path.read_bytes()
        with Image.open(BytesIO(first)) as picture:
            assert picture.format == "PNG"
            assert picture.width > 1000
        drift(counts, "--picture", path)
        assert path.read_bytes() == first

    def test_it_is_written_over_no_input(self, place: Place, drift: Any) -> None:
        counts = place.save(place.dark, "counts.json")
        before = counts.read_bytes()
        assert drift(counts, "--picture", counts).status == 2
        assert counts.read_bytes() == before

    @pytest.mark.parametrize("name", ["folder/a.json", "folder/new.json", "before.json", "x.jsonl"])
    def test_it_is_written_over_nothing_that_may_be_read(
        self, name: str, place: Place, drift: Any
    ) -> None:
        place.save(add(place.dark, place.dark), "folder/a.json")
        before = place.save(place.dark, "before.json")
        picture = place.folder / name
        old = picture.read_bytes() if picture.exists() else None
        said = drift(place.folder / "folder", "--since", before, "--picture", picture)
        assert (said.status, said.out) == (2, "")
        assert (picture.read_bytes() if picture.exists() else None) == old

    def test_it_is_written_over_no_pipe(self, place: Place, drift: Any) -> None:
        os.mkfifo(place.folder / "pipe")
        said = drift(place.save(place.dark, "a.json"), "--picture", place.folder / "pipe")
        assert (said.status, "not a regular file" in said.err) == (2, True)
        assert (place.folder / "pipe").is_fifo()

    def test_a_link_is_not_replaced(self, place: Place, drift: Any) -> None:
        """So is /dev/stdout, which root could replace."""
        link = place.folder / "link"
        link.symlink_to("/proc/self/fd/1")
        said = drift(place.save(place.dark, "a.json"), "--picture", link)
        assert (said.status, "not a regular file" in said.err) == (2, True)
        assert link.is_symlink()

    def test_an_empty_name_is_refused(self, place: Place, drift: Any) -> None:
        assert drift(place.save(place.dark, "a.json"), "--picture", "").status == 2

    def test_names_are_no_formulas(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        draft = profiled(bundles.image(), CALIBRATION)
        draft.content["inputs"][0]["name"] = r"$\frac{a$"
        draft.content["outputs"][0]["labels"] = [r"$\frac{x$", "$5", "$10"]
        bundle = draft.write(tmp_path / "dollars.strop")
        counted(bundle, pictures(100, high=128)).save(tmp_path / "counts.json")
        files = (str(bundle), str(tmp_path / "counts.json"))
        assert main(["drift", *files, "--picture", str(tmp_path / "x.png")]) == 1
        assert capsys.readouterr().err == ""
        assert (tmp_path / "x.png").stat().st_size > 10_000

    def test_a_users_style_changes_nothing(self, place: Place, drift: Any) -> None:
        import matplotlib as mpl

        counts = place.save(place.dark, "counts.json")
        found = []
        for size in (10.0, 30.0):
            with mpl.rc_context(
                {"font.size": size, "xtick.bottom": size < 20, "text.usetex": size > 20}
            ):
                assert drift(counts, "--picture", place.folder / "x.png").status == 1
            found.append((place.folder / "x.png").read_bytes())
        assert found[0] == found[1]

    def test_without_matplotlib_it_says_what_to_install(
        self, place: Place, drift: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "strop.diagnostics.drift_picture", raising=False)
        monkeypatch.delattr(diagnostics, "drift_picture", raising=False)
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        counts = place.save(place.dark, "counts.json")
        said = drift(counts, "--picture", place.folder / "x.png")
        assert said.status == 2
        assert "[drift]" in said.err
        assert not (place.folder / "x.png").exists()
        assert drift(counts).status == 1


def test_without_scipy_it_says_what_to_install(
    place: Place, drift: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    said = drift(place.save(place.dark, "counts.json"))
    assert (said.status, said.out) == (2, "")
    assert "pip install './strop-" in said.err
    assert "[drift]" in said.err
