"""Name the class of each camera frame, or of each picture that comes into a folder.

python examples/camera.py BUNDLE [FOLDER] [--every SECONDS] [--frames N]

Without FOLDER it looks through a Raspberry Pi's camera (picamera2) and prints a line when the
answer changes. With FOLDER it prints a line for each picture: those that are there, by name, then
those that come. Move pictures in: one that is half written is damaged. SIGTERM and ^C end it.
"""

import argparse
import contextlib
import io
import signal
import sys
import time
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import strop

Frames = Generator[tuple[str, Any], None, None]  # where it is from; what `classify` takes


def camera(every: float) -> Frames:
    """Yield a frame of the camera every so many seconds."""
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as error:  # absent, or compiled for another numpy
        raise strop.StropError(
            f"no picamera2 that works here ({str(error).splitlines()[0]}): it takes sudo apt "
            "install python3-picamera2, and an environment made with --system-site-packages in "
            "which numpy is the system's; or name a folder of pictures"
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


def pictures(folder: Path, every: float) -> Frames:
    """Yield the files of a folder by name, then those that come; skip hidden ones."""
    seen: set[Path] = set()
    while True:
        here = {path for path in folder.iterdir() if path.is_file() and path.name[0] != "."}
        yield from ((path.name, path) for path in sorted(here - seen))
        seen = here
        time.sleep(every)


def watch(model: strop.Model, frames: Frames, limit: int | None) -> None:
    """Print the answers; skip one that the same source has just given."""
    last = None
    for source, frame in islice(frames, limit):
        try:
            best = model.classify(frame)
        except strop.InputError as error:  # no picture, or a blank one; the next one may be
            if (source, str(error)) != last:
                print(f"camera: {error}", file=sys.stderr, flush=True)
            last = source, str(error)
            continue
        if (source, best.label) != last:
            name = source if source.isprintable() else ascii(source)
            print(f"{name}: {best.label} ({best.probability:.1%})", flush=True)
        last = source, best.label


parser = argparse.ArgumentParser(description="Name what the camera sees, or a folder's pictures.")
parser.add_argument("bundle", help="a .strop file of a model that takes pictures")
parser.add_argument("folder", nargs="?", type=Path, help="of pictures, instead of the camera")
parser.add_argument("--every", type=float, default=0.5, help="seconds (default: %(default)s)")
parser.add_argument("--frames", type=int, help="end after so many (default: never)")
given = parser.parse_args()
if given.every < 0 or (given.frames is not None and given.frames < 1):
    parser.error("--every takes 0 or more, --frames 1 or more")
for stream in (sys.stdout, sys.stderr):  # a name or a label may be in no alphabet of theirs
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
signal.signal(signal.SIGTERM, signal.default_int_handler)  # systemd's stop is a ^C too
try:
    with strop.load(given.bundle) as model:
        print(model, file=sys.stderr, flush=True)  # what really runs
        if model.input.picture is None:
            raise strop.InputError(f"{model.name} takes no pictures")
        if model.output.kind not in ("class", "binary"):
            raise strop.InputError(f"{model.name} does not name one class")
        frames = pictures(given.folder, given.every) if given.folder else camera(given.every)
        with contextlib.closing(frames):
            watch(model, frames, given.frames)
except KeyboardInterrupt:
    pass
except strop.StropError as error:
    sys.exit(f"camera: {error}")
except OSError as error:  # the folder is not there, or went away
    sys.exit(f"camera: {error.filename or 'output'}: {error.strerror}")
