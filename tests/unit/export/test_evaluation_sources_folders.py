"""Folders of pictures: labels by the names of folders, and the runtime's own preparation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from strop.model.images import read_samples
from strop_export.errors import EvaluationError
from strop_export.evaluation.sources import folders
from tests.unit.export.sources_kit import (
    LABELS,
    PICTURE,
    apart,
    made,
    output,
    pixels,
    planned,
    source,
    whole,
)

IMAGES = pixels(6)
NAMES = ("circle/b.png", "circle/a.png", "square/x.PNG", "star/1.png", "star/2.webp", "star/3.bmp")


def draw(folder: Path, names: Any) -> Path:
    for name, levels in zip(names, IMAGES, strict=False):
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(levels).save(path, lossless=True)  # of WebP
    return folder


class TestFolders:
    def test_a_folder_names_the_label_of_its_pictures(self, tmp_path: Path) -> None:
        data = planned(draw(tmp_path, NAMES), made())
        assert data.columns == (("picture",), ("folder",), ())
        found = whole(data, made())
        np.testing.assert_array_equal(found.inputs[0], IMAGES[[1, 0, 2, 3, 4, 5]])
        assert found.labels[0].tolist() == [0, 0, 1, 2, 2, 2]
        assert not found.bad

    def test_or_the_number_of_its_class(self, tmp_path: Path) -> None:
        manifest = made((), [output("class", [None, 3])])
        found = whole(planned(draw(tmp_path, ["0/a.png", "2/a.png"]), manifest), manifest)
        assert found.labels[0].tolist() == [0, 2]
        assert whole(planned(tmp_path, made()), made()).labels[0].tolist() == [0, 2]

    def test_a_label_that_is_a_number_is_the_label(self, tmp_path: Path) -> None:
        manifest = made((), [output("class", [None, 3], labels=["2", "1", "0"])])
        found = whole(planned(draw(tmp_path, ["0/a.png", "2/a.png"]), manifest), manifest)
        assert found.labels[0].tolist() == [2, 0]

    def test_pictures_in_the_folder_itself_have_no_labels(self, tmp_path: Path) -> None:
        found = whole(planned(draw(tmp_path, ["b.png", "a.png"]), made()), made())
        np.testing.assert_array_equal(found.inputs[0], IMAGES[[1, 0]])
        assert found.labels == [None]

    def test_pictures_are_what_the_runtime_makes_of_the_path(self, tmp_path: Path) -> None:
        photo = np.random.default_rng(3).integers(0, 256, (40, 30, 3), np.uint8)
        path = tmp_path / "a.jpg"
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by its orientation
        Image.fromarray(photo).save(path, exif=exif)
        found = whole(planned(tmp_path, made()), made())
        np.testing.assert_array_equal(found.inputs[0][0], read_samples(path, made().inputs[0]))

    def test_those_of_a_folder_that_is_no_label_are_bad(self, tmp_path: Path) -> None:
        draw(tmp_path, ["star/a.png", "stern/a.png", "3/b.png"])
        found = whole(planned(tmp_path, made()), made())
        assert found.labels[0].tolist() == [2]
        assert [each[1:] for each in found.bad] == [
            (0, 1, "column 'folder': '3' is no label of output 'class'"),
            (2, 1, "column 'folder': 'stern' is no label of output 'class'"),
        ]

    def test_pictures_that_are_damaged_are_bad(self, tmp_path: Path) -> None:
        draw(tmp_path, NAMES)
        path = tmp_path / "star" / "1.png"
        path.write_bytes(path.read_bytes()[:-30])
        (tmp_path / "star" / "2.webp").write_bytes(bytes(16))  # as long as a raw sample
        found = whole(planned(tmp_path, made()), made())
        assert [each.row for each in found.bad] == [3, 4]
        assert found.bad[0].path == str(tmp_path)
        assert found.bad[0].reason.startswith("column 'picture': star/1.png: ")
        assert "damaged" in found.bad[0].reason
        assert len(found.inputs[0]) == 4

    def test_a_picture_that_is_gone_is_an_error(self, tmp_path: Path) -> None:
        data = planned(draw(tmp_path, NAMES), made())
        (tmp_path / "star" / "1.png").unlink()
        with pytest.raises(EvaluationError, match="cannot open .*1.png"):
            whole(data, made())

    def test_units_are_chunks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "_CHUNK", 4)
        data = planned(draw(tmp_path, NAMES), made())
        assert [(u.part, u.rows, u.first_row, u.files[0]) for u in data.units] == [
            (0, 4, 0, "circle/a.png"),
            (1, 2, 4, "star/2.webp"),
        ]
        batches, _ = apart(data.units[1], data, made())
        np.testing.assert_array_equal(batches[0].inputs[0], IMAGES[4:])

    def test_other_files_and_hidden_ones_are_no_pictures(self, tmp_path: Path) -> None:
        draw(tmp_path, [*NAMES[:3], ".cache/a.png", "star/.b.png"])
        (tmp_path / "star" / "notes.txt").touch()
        assert sum(unit.rows or 0 for unit in planned(tmp_path, made()).units) == 3

    def test_the_folder_s_name_may_be_a_slice(self, tmp_path: Path) -> None:
        draw(tmp_path, NAMES)
        found = whole(planned(tmp_path, made(), slices=["folder"]), made())
        assert found.slices["folder"] == ["circle"] * 2 + ["square"] + ["star"] * 3

    def test_several_folders_are_read(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            draw(tmp_path / name, NAMES)
        data = planned([str(tmp_path / "b"), str(tmp_path / "a")], made())
        assert [Path(unit.path).name for unit in data.units] == ["a", "b"]

    def test_the_digest_tells_whether_a_picture_changed(self, tmp_path: Path) -> None:
        draw(tmp_path, NAMES)
        first = planned(tmp_path, made()).digest
        assert planned(tmp_path, made()).digest == first
        Image.fromarray(IMAGES[5]).save(tmp_path / "star" / "1.png")
        assert planned(tmp_path, made()).digest != first


TWO = [output("class", [None, 3], labels=LABELS), output("binary", [None, 1], threshold=0.5)]


class TestRefusals:
    @pytest.mark.parametrize(
        ("names", "options", "said"),
        [
            (["a.png", "star/a.png"], {}, "pictures at different depths, such as a.png and star/a"),
            (["a/star/a.png"], {}, "pictures at different depths, such as a/star/a.png; put all"),
            (["rose/a.png"], {}, "no folder in .* 'class': rose; name them circle, square, star"),
            (["star/a.png"], {"slices": ["x"]}, "no column 'x'; a folder has 'folder' alone"),
            (["star/a.png"], {"labels": {"x": "folder"}}, "no output 'x'; its outputs are class"),
            (["a.png"], {"labels": {"class": "folder"}}, "are in no folders that name labels"),
        ],
    )
    def test_what_cannot_be_is_said_before_any_work(
        self, names: list[str], options: Any, said: str, tmp_path: Path
    ) -> None:
        with pytest.raises(EvaluationError, match=said):
            planned(draw(tmp_path, names), made(), **options)

    @pytest.mark.parametrize("inputs", [[source()], [source(picture=PICTURE), source("b")]])
    def test_a_model_that_does_not_take_one_picture(self, inputs: Any, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match="the model does not take one picture"):
            planned(draw(tmp_path, NAMES), made(inputs))

    def test_an_output_without_classes_has_no_labels_here(self, tmp_path: Path) -> None:
        level = output("regression", [None], name="level")
        with pytest.raises(EvaluationError, match="no output 'level' with classes"):
            planned(draw(tmp_path, NAMES), made((), [*TWO, level]), labels={"level": "folder"})

    def test_several_outputs_with_classes_are_asked_about(self, tmp_path: Path) -> None:
        manifest = made((), TWO)
        with pytest.raises(EvaluationError, match="say whose: --label class=folder"):
            planned(draw(tmp_path, NAMES), manifest)
        data = planned(tmp_path, manifest, labels={"class": "folder"})
        assert data.columns.labels == ("folder", None)

    def test_folders_with_and_without_labels_do_not_mix(self, tmp_path: Path) -> None:
        paths = [str(draw(tmp_path / "a", NAMES)), str(draw(tmp_path / "b", ["a.png"]))]
        with pytest.raises(EvaluationError, match="only one has a folder for each label"):
            planned(paths, made())
