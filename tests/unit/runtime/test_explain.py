"""strop run --explain: the picture as the model sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from strop import cli
from strop.bundle.manifest import InputSpec, Picture, PictureStep
from strop.bundle.open import open_bundle
from strop.commands.explain import write_seen
from strop.model.arrays import read_inputs
from tests import bundles

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str]:
        return cli.main([str(argument) for argument in arguments]), capsys.readouterr().err

    return call


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_it_is_the_prepared_input_enlarged(
    run: Run, image_path: Path, picture: Path, tmp_path: Path
) -> None:
    assert run("run", image_path, picture, "--explain", tmp_path / "seen.png")[0] == 0
    seen = np.asarray(Image.open(tmp_path / "seen.png"))
    right = read_inputs(picture, open_bundle(image_path).manifest.inputs)
    np.testing.assert_array_equal(seen, right.repeat(70, 0).repeat(70, 1))


@pytest.mark.parametrize(("mode", "shape"), [("RGB", (4, 6, 3)), ("L", (4, 6, 1)), ("L", (4, 6))])
def test_levels_are_those_before_normalise(
    tmp_path: Path, mode: str, shape: tuple[int, ...]
) -> None:
    levels = np.random.default_rng(2).integers(0, 256, shape).astype(np.uint8)
    step = PictureStep("normalise", {"scale": 1 / 127.5, "offset": -1})
    resize = PictureStep("resize", {"width": 6, "height": 4})
    spec = InputSpec("x", (None, *shape), "float32", None, (), Picture(mode, (resize, step)))
    write_seen(str(tmp_path / "a.png"), (levels / 127.5 - 1).astype(np.float32), spec)
    seen = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(seen[::46, ::46].reshape(shape), levels)


@pytest.mark.parametrize(
    ("inputs", "name", "says"),
    [
        (["photo.png", "photo.png"], "a.png", "it takes one picture, got 2; give one"),
        (["a.npy"], "a.png", "a.npy is not a picture; give a picture"),
        (["photo.png"], "a.jpg", "the name must end in .png; call it "),
        (["photo.png"], "gone/a.png", "cannot write "),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    run: Run,
    image_path: Path,
    picture: Path,
    tmp_path: Path,
    inputs: list[str],
    name: str,
    says: str,
) -> None:
    status, err = run(
        "run", image_path, *(picture.with_name(one) for one in inputs), "--explain", tmp_path / name
    )
    assert status == 2
    assert says in err
    assert err.count("\n") == 1


def test_a_model_that_takes_no_pictures(
    run: Run, vector_path: Path, picture: Path, tmp_path: Path
) -> None:
    said = run("run", vector_path, picture, "--explain", tmp_path / "a.png")
    assert said == (
        2,
        f"strop: --explain {tmp_path}/a.png: gauge takes no pictures; leave it out\n",
    )
    pair: Any = bundles.pair().write(tmp_path / "pair.strop")
    assert "takes no pictures" in run("run", pair, picture, "--explain", tmp_path / "a.png")[1]


def test_the_picture_itself_is_not_written_over(run: Run, image_path: Path, picture: Path) -> None:
    before = picture.read_bytes()
    (picture.parent / "link.png").symlink_to(picture)
    for path in (picture, picture.parent / "link.png"):
        status, error = run("run", image_path, picture, "--explain", path)
        assert (status, error.rstrip().endswith("choose another name")) == (2, True)
    assert picture.read_bytes() == before
