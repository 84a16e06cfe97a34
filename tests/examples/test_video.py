"""The camera example on a video, and the frames that it writes: answers and rate drawn on them."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import strop
from tests.environments import run
from tests.examples.conftest import EXAMPLES

APP = EXAMPLES / "camera.py"
HEIGHT, WIDTH = 240, 320
HELD = 4  # frames of each digit

Shots = NDArray[np.uint8]  # (frames, height, width, 3), blue first


def paper(digit: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a digit in the middle of a sheet of paper, with a camera's noise."""
    stroke = np.asarray(Image.fromarray(digit).resize((140, 140)), np.float32) / 255
    frame = random.normal(200, 3, (HEIGHT, WIDTH, 3))
    frame[50:190, 90:230] -= 160 * stroke[..., np.newaxis]
    return frame.clip(0, 255).astype(np.uint8)


def write(path: Path, shots: list[NDArray[np.uint8]]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for shot in shots:
        writer.write(shot)
    writer.release()


def read(path: Path) -> Shots:
    film = cv2.VideoCapture(str(path))
    shots = []
    while (found := film.read())[0]:
        shots.append(found[1])
    film.release()
    return np.array(shots, np.uint8)


@pytest.fixture(scope="module")
def video(digits: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of the ten digits in a seeded order, each held for some frames."""
    random = np.random.default_rng(20)
    path = tmp_path_factory.mktemp("video") / "digits.avi"
    order = random.permutation(10)
    write(path, [paper(digits[digit], random) for digit in order for _ in range(HELD)])
    return path


def test_answers_and_rate_are_drawn_on_every_frame(
    bundle: Path, video: Path, tmp_path: Path
) -> None:
    done = run(sys.executable, APP, bundle, video, "--output", tmp_path / "drawn.avi")
    shots, drawn = read(video), read(tmp_path / "drawn.avi")
    assert shots.shape == drawn.shape == (10 * HELD, HEIGHT, WIDTH, 3)
    with strop.load(bundle) as model:
        said = [model.classify(Image.fromarray(shot[..., ::-1])) for shot in shots]
    labels = [best.label for best in said]
    order = [str(digit) for digit in np.random.default_rng(20).permutation(10)]
    assert sum(labels[::HELD][place] == order[place] for place in range(10)) >= 8
    printed = [line.split(": ")[1].split(" ")[0] for line in done.stdout.splitlines()]
    assert printed == [label for label, _ in groupby(labels)]

    changed = np.abs(drawn.astype(int) - shots).max(axis=-1) > 60
    assert not changed[:, 30:210].any()  # the middle, where the digit is
    assert changed[1:, 220:].any(axis=(1, 2)).all()  # the rate, of all but the first frame
    for shot, best in zip(drawn, said, strict=True):
        text = f"{best.label} ({best.probability:.1%})"
        assert (
            nearest(shot, [text.replace(best.label, str(digit), 1) for digit in range(10)]) == text
        )


def nearest(shot: NDArray[np.uint8], texts: list[str]) -> str:
    """Return the text whose drawing is most like the upper left corner of a frame."""

    def distance(text: str) -> float:
        sheet = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
        for color, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(sheet, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, width, 16)
        return float(np.abs(sheet[:30].astype(int) - shot[:30]).mean())

    return min(texts, key=distance)


def test_frames_limits_a_video(bundle: Path, video: Path) -> None:
    done = run(sys.executable, APP, bundle, video, "--frames", HELD)
    assert len(done.stdout.splitlines()) == 1


def refused(*arguments: object) -> str:
    done = run(sys.executable, APP, *arguments, check=False)
    assert done.returncode == 1
    printed, line = done.stderr.splitlines()
    assert printed.startswith("<strop.Model")
    return line


def test_what_cannot_be_filmed_is_one_line(bundle: Path, video: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.avi"
    assert refused(bundle, none) == f"camera: {none}: No such file or directory"
    none.write_bytes(video.read_bytes()[:100])
    assert f"OpenCV reads no frame of {none}" in refused(bundle, none)
    assert "OpenCV reads no frame of camera 99" in refused(bundle, "99")
    assert "OpenCV cannot write" in refused(bundle, video, "--output", tmp_path / "no" / "a.avi")
    assert "--output takes the frames" in refused(bundle, tmp_path, "--output", none)


def test_without_opencv_it_says_what_to_install(bundle: Path, video: Path) -> None:
    hidden = "import runpy, sys; sys.modules['cv2'] = None; sys.argv = sys.argv[1:]; "
    script = hidden + "runpy.run_path(sys.argv[0])"
    done = run(sys.executable, "-c", script, APP, bundle, video, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("; pip install opencv-python-headless\n")
