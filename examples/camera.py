"""Name the class of each frame of a camera or a video, or of each picture that comes into a folder.

python camera.py BUNDLE [SOURCE] [--every SECONDS] [--frames N] [--output FILE.avi]

SOURCE is the number of a USB camera (0 is the first), a video file or a folder of pictures; without
SOURCE, it is a Raspberry Pi's camera. USB cameras, videos and --output need OpenCV: pip install
opencv-python-headless, or apt install python3-opencv.

It prints a line when the answer changes. For a folder it prints a line for each picture: those that
are there, by name, then those that come. Move pictures in: one that is half written is damaged.
--output writes the frames to a video, with the answer and the rate drawn on each. SIGTERM and ^C
end it.
"""

import argparse
import contextlib
import io
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import strop

Frames = Generator[tuple[str, Any], None, None]  # where it is from; what `classify` takes
PLAYED = 25.0  # frames a second of the video that is written


def picamera(every: float) -> Frames:
    """Yield a frame of a Raspberry Pi's camera every so many seconds."""
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as error:  # absent, or compiled for another numpy
        raise strop.StropError(
            f"no picamera2 that works here ({str(error).splitlines()[0]}): it takes sudo apt "
            "install python3-picamera2, and an environment made with --system-site-packages in "
            "which numpy is the system's; or name a USB camera, a video or a folder of pictures"
        ) from None
    if not Picamera2.global_camera_info():
        raise strop.StropError("no camera found: rpicam-hello --list-cameras must list one")
    try:
        with Picamera2() as device:
            main = {"size": (640, 480), "format": "RGB888"}
            device.configure(device.create_preview_configuration(main=main))
            device.start()
            while True:
                # A Pillow image: the arrays of picamera2's "RGB888" hold blue first.
                yield "camera", device.capture_image("main")
                time.sleep(every)
    except RuntimeError as error:  # another program has it, say
        raise strop.StropError(f"the camera failed: {error}") from None


def opencv() -> Any:
    """Import OpenCV, which then prints nothing."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    try:
        import cv2
    except ImportError as error:
        raise strop.StropError(
            f"no OpenCV that works here ({error})", "pip install opencv-python-headless"
        ) from None
    return cv2


def video(source: int | str, every: float) -> Frames:
    """Yield the frames of a USB camera, or of a video file until it ends."""
    from PIL import Image

    name = source if isinstance(source, str) else f"camera {source}"
    device = opencv().VideoCapture(source)
    frame = None
    try:
        while (read := device.read())[0]:
            frame = Image.fromarray(read[1][..., ::-1])  # OpenCV's arrays hold blue first
            yield name, frame
            time.sleep(every)
    finally:
        device.release()
    if frame is None:
        raise strop.StropError(f"OpenCV reads no frame of {name}", "name another camera or video")
    if isinstance(source, int):
        raise strop.StropError(f"{name} went away")


def pictures(folder: Path, every: float) -> Frames:
    """Yield the files of a folder by name, then those that come; skip hidden ones."""
    seen: set[Path] = set()
    while True:
        here = {path for path in folder.iterdir() if path.is_file() and path.name[0] != "."}
        yield from ((path.name, path) for path in sorted(here - seen))
        seen = here
        time.sleep(every)


class Film:
    """A video of the frames, with the answer and the rate drawn on each."""

    def __init__(self, path: str) -> None:
        self.path, self.cv2 = path, opencv()
        self.writer: Any = None
        self.times: deque[float] = deque(maxlen=30)

    def add(self, frame: Any, answer: str) -> None:
        """Draw on a Pillow image, and write it."""
        cv2, shot = self.cv2, np.array(frame.convert("RGB"))[..., ::-1].copy()
        if self.writer is None:
            code, size = cv2.VideoWriter_fourcc(*"MJPG"), (frame.width, frame.height)
            self.writer = cv2.VideoWriter(self.path, code, PLAYED, size)
            if not self.writer.isOpened():
                raise strop.StropError(f"OpenCV cannot write {self.path}", "name an .avi file")
        self.times.append(time.monotonic())
        took_s = self.times[-1] - self.times[0]
        rate = f"{(len(self.times) - 1) / took_s:.1f} frames/s" if took_s else ""
        for text, bottom in ((answer, frame.height // 10), (rate, frame.height * 39 // 40)):
            for color, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):  # white on a dark edge
                font, scale = cv2.FONT_HERSHEY_SIMPLEX, frame.height / 480
                cv2.putText(shot, text, (8, bottom), font, scale, color, width, cv2.LINE_AA)
        self.writer.write(shot)

    def close(self) -> None:
        """Finish the file."""
        if self.writer is not None:
            self.writer.release()


def watch(model: strop.Model, frames: Frames, limit: int | None, film: Film | None) -> None:
    """Print the answers; skip one that the same source has just given."""
    last = None
    for source, frame in islice(frames, limit):
        try:
            best = model.classify(frame)
            answer = f"{best.label} ({best.probability:.1%})"
            if (source, best.label) != last:
                name = source if source.isprintable() else ascii(source)
                print(f"{name}: {answer}", flush=True)
            last = source, best.label
        except strop.InputError as error:  # no picture, or a blank one; the next one may be
            if (source, str(error)) != last:
                print(f"camera: {error}", file=sys.stderr, flush=True)
            last, answer = (source, str(error)), "-"
        if film:
            film.add(frame, answer)


def frames_of(source: str | None, every: float | None, is_filmed: bool) -> Frames:
    """Open the source that the command line names."""
    if source is None:
        return picamera(0.5 if every is None else every)
    if Path(source).is_dir():
        if is_filmed:
            raise strop.InputError("--output takes the frames of a camera or a video")
        return pictures(Path(source), 0.5 if every is None else every)
    if not source.isdecimal():
        Path(source).stat()  # raises OSError if there is no such file
    return video(int(source) if source.isdecimal() else source, every or 0)


parser = argparse.ArgumentParser(description="Name what a camera sees, or a folder's pictures.")
parser.add_argument("bundle", help="a .strop file of a model that takes pictures")
parser.add_argument("source", nargs="?", help="a USB camera's number, a video or a folder")
parser.add_argument("--every", type=float, help="seconds (default: 0.5; of videos and USB: 0)")
parser.add_argument("--frames", type=int, help="end after so many (default: never)")
parser.add_argument("--output", help="the .avi file to write, with answers and rate")
given = parser.parse_args()
if (given.every or 0) < 0 or (given.frames is not None and given.frames < 1):
    parser.error("--every takes 0 or more, --frames 1 or more")
for stream in (sys.stdout, sys.stderr):  # a name or a label may be in no alphabet of theirs
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
signal.signal(signal.SIGTERM, signal.default_int_handler)  # systemd's stop is a ^C too
try:
    with strop.load(given.bundle) as model, contextlib.ExitStack() as stack:
        print(model, file=sys.stderr, flush=True)  # what really runs
        if model.input.picture is None:
            raise strop.InputError(f"{model.name} takes no pictures")
        if model.output.kind not in ("class", "binary"):
            raise strop.InputError(f"{model.name} does not name one class")
        frames = frames_of(given.source, given.every, bool(given.output))
        stack.enter_context(contextlib.closing(frames))
        film = stack.enter_context(contextlib.closing(Film(given.output))) if given.output else None
        watch(model, frames, given.frames, film)
except KeyboardInterrupt:
    pass
except strop.StropError as error:
    sys.exit(f"camera: {error}")
except OSError as error:  # the folder is not there, or went away
    sys.exit(f"camera: {error.filename or 'output'}: {error.strerror}")
