"""The example for Tk, in a display of its own: it draws and answers, and its loop never waits."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import ROOT, run
from tests.needs import unavailable

APP = ROOT / "examples" / "tk_app.py"

# It draws a seven, as a mouse would. A prediction takes 0.3 s here; the loop must go on meanwhile.
DRIVER = """
import sys, time, tkinter
sys.path.insert(0, sys.argv[1])
import strop, tk_app

SLOW_S = 0.3
root = tkinter.Tk()
model = strop.load(sys.argv[2])
pad = tk_app.Pad(root, model)
classify = model.classify
calls = []

def slow(image):
    calls.append(time.monotonic())
    time.sleep(SLOW_S)
    return classify(image)

model.classify = slow

def turns(seconds):
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        root.update()
        count += 1
        time.sleep(0.002)
    return count

def stroke(*points):
    pad.canvas.event_generate("<Button-1>", x=points[0][0], y=points[0][1])
    for x, y in points[1:]:
        pad.canvas.event_generate("<B1-Motion>", x=x, y=y)
        turns(0.01)

root.update()
print(pad.answer.get())
stroke((80, 70), (110, 70), (140, 70), (170, 70), (200, 70), (180, 120), (160, 170), (140, 220))
most = 0
deadline = time.monotonic() + 20
while (pad.running or pad.is_new) and time.monotonic() < deadline:
    most = max(most, turns(SLOW_S / 2))
print(pad.answer.get())
print("free" if most > 5 else f"it stood still: {most}")
print("few" if len(calls) < 8 else f"{len(calls)} predictions of 7 movements")
pad.canvas.event_generate("<Button-3>", x=1, y=1)
turns(0.1)
print(pad.answer.get(), pad.image.getextrema(), pad.canvas.find_all())
"""


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A display that nobody sees."""
    if importlib.util.find_spec("_tkinter") is None:
        unavailable("this Python has no tkinter", "apt install python3-tk")
    if shutil.which("Xvfb") is None:
        unavailable("no Xvfb on this machine", "apt install xvfb")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as said:
            monkeypatch.setenv("DISPLAY", f":{said.readline().strip()}")
        yield
    finally:
        server.terminate()
        server.wait()


@pytest.mark.usefixtures("display")
def test_a_drawn_seven_is_named_while_the_loop_goes_on(bundle: Path) -> None:
    done = run(sys.executable, "-c", DRIVER, APP.parent, bundle, timeout=60)
    before, answer, loop, calls, after = done.stdout.splitlines()
    assert before == "draw a digit"
    assert answer.startswith("7 (")
    assert (loop, calls) == ("free", "few")
    assert after == "draw a digit (0, 0) ()"


@pytest.mark.usefixtures("display")
def test_a_refused_drawing_is_said_in_the_window(bundle: Path) -> None:
    driver = DRIVER[: DRIVER.index("root.update()\nprint")] + (
        "pad.is_new = True\n"
        "while pad.is_new or pad.running:\n"
        "    turns(0.1)\n"
        "print(pad.answer.get())\n"
    )
    done = run(sys.executable, "-c", driver, APP.parent, bundle, timeout=60)
    assert "blank" in done.stdout


def test_no_display_is_one_line(bundle: Path) -> None:
    if importlib.util.find_spec("_tkinter") is None:
        unavailable("this Python has no tkinter", "apt install python3-tk")
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    done = run(sys.executable, APP, bundle, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "tk_app: no display name and no $DISPLAY environment variable"
    ]
