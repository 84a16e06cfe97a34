"""The camera example: on a folder, on a replacement of picamera2, on a board."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab import boards
from lab.machine import Machine
from tests.bundles import vector
from tests.conftest import Exported
from tests.environments import ROOT, run
from tests.needs import unavailable
from tests.pictures import write_digit

APP = ROOT / "examples" / "camera.py"
UNIT = ROOT / "examples" / "strop-camera.service"

Start = Callable[..., subprocess.Popen[str]]

# The parts of picamera2 that the example uses, by its manual: a missing camera raises
# IndexError, frames come after configure and start, and "main" is the configured stream.
PICAMERA2 = """
    import json, os
    from pathlib import Path
    from PIL import Image

    _FOLDER = Path(os.environ["STAND_IN"])  # frames by name; none: no camera

    class Picamera2:
        @staticmethod
        def global_camera_info():
            return [{"Model": "imx219", "Num": 0}] if any(_FOLDER.glob("*.png")) else []

        def __init__(self, camera_num=0):
            self.global_camera_info()[camera_num]
            if (_FOLDER / "busy").exists():
                raise RuntimeError("Camera __init__ sequence did not complete.")
            self._frames = sorted(_FOLDER.glob("*.png"))
            self._size = self._started = None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

        def create_preview_configuration(self, main={}, **_):
            return {"main": {"format": "XBGR8888", "size": (640, 480)} | main}

        def configure(self, config):
            assert config["main"]["format"] in ("RGB888", "BGR888", "XRGB8888", "XBGR8888")
            self._size = config["main"]["size"]

        def start(self):
            assert self._size, "not configured"
            self._started = True

        def capture_image(self, name="main"):
            assert self._started and name == "main"
            frame = self._frames.pop(0) if len(self._frames) > 1 else self._frames[0]
            image = Image.open(frame)
            assert image.size == self._size
            return image

        def close(self):
            (_FOLDER / "closed").touch()
"""


@pytest.fixture(scope="module")
def digits(edge: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first test image of each class, 0.png to 9.png."""
    folder = tmp_path_factory.mktemp("digits")
    for digit in range(10):
        write_digit(edge, digit, folder / f"{digit}.png")
    return folder


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose pictures picamera2 returns as the camera's frames."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "picamera2.py").write_text(textwrap.dedent(PICAMERA2), "utf-8")
    (tmp_path / "frames").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.setenv("STAND_IN", str(tmp_path / "frames"))
    return tmp_path / "frames"


@pytest.fixture
def started() -> Iterator[Start]:
    """Start the app with arguments; end it if it hangs or a failing test leaves it running."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object) -> subprocess.Popen[str]:
            command = [sys.executable, str(APP), *map(str, arguments)]
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
            stack.callback(process.communicate)
            stack.callback(process.kill)
            deadline = threading.Timer(30, process.kill)
            stack.callback(deadline.cancel)
            deadline.start()
            return process

        yield start


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().rstrip()


def stopped(process: subprocess.Popen[str]) -> str:
    """Stop it as systemd does, and return its stderr."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    return said


def refused(*arguments: object) -> str:
    """Return the one line with which it ends."""
    done = run(sys.executable, APP, *arguments, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("camera: "))
    assert done.stderr.endswith(f"{line}\n")
    return line


def test_a_folder_is_named_picture_by_picture(edge: Exported, digits: Path) -> None:
    done = run(sys.executable, APP, edge.bundle("cpu"), digits, "--frames", "10")
    lines = done.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{digit}.png" for digit in range(10)]
    assert sum(line[0] == line.split(": ")[1][0] for line in lines) >= 9
    assert "<strop.Model mnist-mlp" in done.stderr


def test_a_name_that_cannot_be_printed_does_not_stop_it(
    edge: Exported, digits: Path, tmp_path: Path
) -> None:
    for name in (b"caf\xe9.png", b"\x1b[31m.png"):
        shutil.copy(digits / "7.png", tmp_path / os.fsdecode(name))
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    command = (sys.executable, APP, edge.bundle("cpu"), tmp_path, "--frames", "2")
    done = run(*command, env=strict)
    assert len(done.stdout.splitlines()) == 2
    assert "\x1b" not in done.stdout


def test_it_goes_on_with_what_comes_until_it_is_told_to_stop(
    edge: Exported, digits: Path, tmp_path: Path, started: Start
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(digits / "7.png", folder / "a.png")
    process = started(edge.bundle("cpu"), folder, "--every", "0.05")
    assert line_of(process).startswith("a.png: 7 (")
    (folder / "b.png").write_bytes(b"no picture")
    shutil.copy(digits / "0.png", folder / ".part")  # as if it were still being written
    (folder / ".part").rename(folder / "c.png")
    assert line_of(process).startswith("c.png: 0 (")
    said = stopped(process)
    (line,) = (line for line in said.splitlines() if line.startswith("camera: "))
    assert "b.png: this is not a picture" in line


def test_a_missing_folder_or_a_bundle_that_is_none_is_one_line(
    edge: Exported, digits: Path, tmp_path: Path
) -> None:
    none = tmp_path / "none"
    assert refused(edge.bundle("cpu"), none) == f"camera: {none}: No such file or directory"
    assert "refused: damaged or not a bundle" in refused(digits / "0.png", digits)
    gauge = vector().write(tmp_path / "gauge.strop")
    assert refused(gauge, digits) == "camera: gauge takes no pictures"


def test_the_camera_is_reported_when_its_answer_changes(
    edge: Exported, digits: Path, stand_in: Path, started: Start
) -> None:
    for number, digit in enumerate("77702"):
        dim_paper(digits / f"{digit}.png").save(stand_in / f"{number}.png")
    process = started(edge.bundle("cpu"), "--every", "0.01")
    lines = [line_of(process) for _ in range(3)]
    assert [line.split(" (")[0] for line in lines] == [f"camera: {digit}" for digit in "702"]
    stopped(process)
    assert (stand_in / "closed").exists()


def dim_paper(digit: Path) -> Image.Image:
    """A digit written on paper, as a camera sees it in a dim room: darker than half."""
    stroke = np.asarray(Image.open(digit).resize((300, 300)), np.float32) / 255
    frame = np.full((480, 640, 3), (110, 105, 95), np.float32)
    frame[90:390, 170:470] -= 70 * stroke[..., np.newaxis]
    return Image.fromarray(frame.astype(np.uint8))


def test_no_picamera2_no_camera_and_a_busy_one_are_one_line(
    edge: Exported, digits: Path, stand_in: Path
) -> None:
    bundle = edge.bundle("cpu")
    assert "no camera found" in refused(bundle)
    shutil.copy(digits / "0.png", stand_in)
    (stand_in / "busy").touch()
    assert "the camera failed: Camera __init__" in refused(bundle)
    module = stand_in.parent / "modules" / "picamera2.py"
    module.write_text("raise ImportError('numpy was\\nanother')", encoding="utf-8")
    assert "no picamera2 that works here (numpy was)" in refused(bundle)


@pytest.mark.parametrize("name", boards.names())
def test_it_runs_on_the_boards(name: str, edge: Exported, digits: Path, tmp_path: Path) -> None:
    machine = Machine(boards.load(name))
    if not machine.is_built():
        unavailable(f"board {name} is not built", "make lab")
    if (target := machine.board.bundles[0]) in edge.missing:
        unavailable(f"target {target} could not be exported", "see dist/report.md")
    machine.install(edge.wheel)
    command = ("python3", APP, edge.bundle(target), digits, "--frames", "10")
    variables = {"XDG_CACHE_HOME": str(tmp_path)}
    done = machine.run(command, variables=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sum(line[0] == line.split(": ")[1][0] for line in done.stdout.splitlines()) >= 9


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    used = {"strop": "check /opt/strop/model.strop", "python": "/opt/strop/camera.py"}
    for program, arguments in used.items():
        assert f"=/opt/strop/bin/{program} {arguments}" in text
    if shutil.which("systemd-analyze") is None:
        unavailable("no systemd-analyze on this machine", "apt install systemd")
    (tmp_path / "bin").mkdir()
    for program in used:
        (tmp_path / "bin" / program).symlink_to("/bin/true")
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/strop", str(tmp_path)), encoding="utf-8")
    done = run("systemd-analyze", "verify", unit, env={**os.environ, "LC_ALL": "C"})
    assert done.stderr == ""
