"""A device's script, from its first line to its first answer, which prints the time of each step.

It is started as a file, because `python -m` would load modules for Strop in advance, and it imports
only what a bare script needs. Times are seconds of the machine's monotonic clock.
"""

import sys
import time

started = time.monotonic()

import numpy as np  # noqa: E402

imported = time.monotonic()


def most_kib() -> int:
    """Read the peak memory of this process alone: rusage would include its parent's fork."""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith(b"VmHWM"))


numpy_kib = most_kib()
ready = time.monotonic()
module, loop, precision, path, image = sys.argv[1:]
peer = getattr(__import__(f"benchmarks.peers.{module}").peers, module)
images = np.fromfile(image, np.uint8).reshape(1, 28, 28)
call = peer.open_loop(loop, precision, path, 1)
opened = time.monotonic()
answer = call(images)
answered = time.monotonic()

print("marks", started, imported, ready, opened, answered)
print("memory", numpy_kib, most_kib())
print("class", int(answer.argmax()))
