"""The tasks for one engine, in a separate process: a Python with strop and without test tools.

    python worker.py TASK BUNDLE IMAGES ENGINE PRECISION

prints one line of JSON. An answer is wrong if it differs in any bit from that of the same call
without other callers.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import strop

SIZES = (1, 1, 1, 1, 2, 7)  # batch sizes: mostly one image, as on a device
LARGE_SIZES = (1, 7, 32, 64, 256)  # a BLAS uses threads for the larger ones
CASES = 200
THREADS = 8
CALLS = 10_000  # per thread
SOAK_CALLS = 1_000_000
SOAK_WARM_UP = 50_000


class Case:
    """A batch, and its answer without other callers."""

    def __init__(self, model: strop.Model, images: Any, size: int) -> None:
        self.images = images
        self.size = size
        self.right = model.predict(images).tobytes()

    def is_right(self, model: strop.Model) -> bool:
        return bool(model.predict(self.images).tobytes() == self.right)


def cases(model: strop.Model, images: Any, sizes: tuple[int, ...] = SIZES) -> list[Case]:
    chooser = random.Random(0)
    found = []
    for _ in range(CASES):
        size = chooser.choice(sizes)
        start = chooser.randrange(len(images) - size)
        found.append(Case(model, images[start : start + size], size))
    return found


def threads_storm(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Call one model from eight threads, ten thousand times each."""
    model = load()
    asked = cases(model, images)
    wrong, raised = [0] * THREADS, [0] * THREADS

    def work(number: int) -> None:
        chooser = random.Random(number)
        for _ in range(CALLS):
            try:
                wrong[number] += not chooser.choice(asked).is_right(model)
            except Exception:  # noqa: BLE001  whatever it is, it is counted
                raised[number] += 1

    run_all([lambda n=n: work(n) for n in range(THREADS)])  # type: ignore[misc]
    return {"tried": THREADS * CALLS, "wrong": sum(wrong), "raised": sum(raised)}


def throughput(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Compare the images per second of two threads and one, alternating: the rounds' median."""
    found: dict[str, Any] = {}
    for size, calls, rounds in ((1, 4000, 15), (256, 60, 15)):
        model = load()
        batch = np.ascontiguousarray(images[:size])

        def work(count: int, model: strop.Model = model, batch: Any = batch) -> None:
            for _ in range(count):
                model.predict(batch)

        ratios = []
        for number in range(rounds + 1):
            took_s = {}
            for threads in (1, 2) if number % 2 else (2, 1):
                begun = time.perf_counter()
                run_all([lambda: work(calls)] * threads)  # noqa: B023  run at once
                took_s[threads] = (time.perf_counter() - begun) / threads
            if number:  # the first warms up, and opens the sessions for two callers
                ratios.append(took_s[1] / took_s[2])
        found[str(size)] = sorted(ratios)[len(ratios) // 2]
    return found


def closing_storm(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Close models while four threads call them: each call gives a right answer or "closed"."""
    tried, failed = 0, 0
    chooser = random.Random(0)
    for _ in range(100):
        model = load()
        asked = [Case(model, images[i : i + size], size) for i, size in enumerate((1, 1, 7))]
        counts = [0, 0]

        def work(number: int, model: strop.Model = model, counts: list[int] = counts) -> None:
            while True:
                try:
                    counts[1] += not asked[number % 3].is_right(model)  # noqa: B023
                except strop.StropError as error:
                    counts[1] += "is closed" not in str(error)
                    return
                except Exception:  # noqa: BLE001
                    counts[1] += 1
                    return
                finally:
                    counts[0] += 1

        def close(model: strop.Model = model) -> None:
            time.sleep(chooser.random() * 0.005)
            model.close()

        run_all([close, *[lambda n=n: work(n) for n in range(4)]])
        tried += counts[0]
        failed += counts[1]
    return {"tried": tried, "failed": failed}


def forking_storm(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Fork processes while four threads are inside calls."""
    warnings.simplefilter("ignore", DeprecationWarning)  # the threads are intended
    model = load()
    asked = cases(model, images, LARGE_SIZES)
    stop, failed = threading.Event(), [0]

    def work(number: int) -> None:
        chooser = random.Random(number)
        while not stop.is_set():
            failed[0] += not chooser.choice(asked).is_right(model)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    children = 30
    for number in range(children):
        time.sleep(0.001)
        child = os.fork()
        if child == 0:
            right = all(case.is_right(model) for case in asked[:20])
            if number % 2:
                model.close()
            sys.exit(0 if right else 1)  # as a program ends: everything left is destroyed
        failed[0] += ended(child) != 0
    stop.set()
    for worker in workers:
        worker.join()
    return {"tried": children, "failed": failed[0]}


def ended(child: int) -> int:
    """Return a child's exit status; one that hangs is killed, and counts as dead."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1


def answers(model: strop.Model, images: Any) -> Any:
    return [model.predict(image).tobytes() for image in images]


def spawning(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Send a model to new processes, by multiprocessing."""
    model = load()
    right = answers(model, images[:50])
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(answers, [(model, images[:50])] * 6)
    return {"tried": len(found), "failed": sum(answer != right for answer in found)}


def exiting(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Exit while daemon threads are inside calls; the caller checks how it ends."""
    model = load()

    def work() -> None:
        while True:
            model.predict(images[:7])
            model.predict(images[0])

    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.05)
    return {}


def soak(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Make a million predictions, with some refusals: memory does not grow."""
    model = load()
    asked = cases(model, images)
    wrong = 0

    def work(calls: int) -> None:
        nonlocal wrong
        for number in range(calls):
            case = asked[number % CASES]
            outputs = model.predict(case.images)
            if number % 100 == 0:
                wrong += outputs.tobytes() != case.right
            if number % 1000 == 0:
                try:
                    model.predict(images[:0])
                    wrong += 1
                except strop.InputError:
                    pass

    work(SOAK_WARM_UP)
    run_all([lambda: work(1000)] * 4)
    gc.collect()
    before = resident_bytes()
    work(SOAK_CALLS)
    gc.collect()
    grown = resident_bytes() - before
    return {"tried": SOAK_CALLS, "wrong": wrong, "grown_bytes": grown}


def large_batch(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Run a hundred thousand images in one call: right answers, and little extra memory."""
    model = load()
    many = np.tile(images, (100, 1, 1))
    backwards = many[::-1, :, :]  # neither contiguous nor in native byte order
    model.predict(many[:2048])
    before = most_resident_bytes()
    outputs = model.predict(many)
    again = model.predict(backwards)
    extra = most_resident_bytes() - before - outputs.nbytes - again.nbytes
    right = model.predict(images)
    wrong = sum(
        not np.allclose(outputs[start : start + 1000], right, atol=1e-5)
        for start in range(0, len(many), 1000)
    )
    wrong += not np.allclose(again[::-1], outputs, atol=1e-5)
    return {"tried": 2 * len(many), "wrong": int(wrong), "extra_bytes": extra}


def opening(load: Callable[[], strop.Model], images: Any) -> dict[str, Any]:
    """Measure the extra time to verify and open a bundle over the bare file, alternating."""
    from strop.bundle.open import open_bundle

    path, engine, precision = sys.argv[2], sys.argv[4], sys.argv[5]
    bundle = open_bundle(path)
    (variant,) = (
        v for v in bundle.manifest.variants if v.precision == precision and engine in v.engines
    )
    bare = path + f".{engine}.{precision}"
    with open(bare, "wb") as file:  # noqa: PTH123
        file.write(bundle.read(variant))
    taken = []
    for number in range(31):
        took_ms = {}
        for who, opens in ((strop, load), (None, lambda: open_bare(engine, bare))):
            gc.collect()
            begun = time.perf_counter()
            kept = opens()
            took_ms[who] = (time.perf_counter() - begun) * 1000
            del kept
        if number:
            taken.append(took_ms[strop] - took_ms[None])
    os.remove(bare)  # noqa: PTH107
    return {"tried": len(taken), "more_ms": sorted(taken)[len(taken) // 2]}


def open_bare(engine: str, path: str) -> Any:
    """Open the file as a script that trusts it does."""
    if engine == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    if engine == "reference":
        with np.load(path, allow_pickle=False) as weights:
            return {name: weights[name] for name in weights.files}
    if engine == "litert":
        from ai_edge_litert.interpreter import Interpreter
    else:
        from tflite_runtime.interpreter import Interpreter
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def run_all(works: list[Callable[[], None]]) -> None:
    """Run each function in its own thread, all started at once."""
    gate = threading.Barrier(len(works))

    def begin(work: Callable[[], None]) -> None:
        gate.wait()
        work()

    threads = [threading.Thread(target=begin, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def most_resident_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


TASKS = {
    task.__name__: task
    for task in (
        threads_storm,
        throughput,
        closing_storm,
        forking_storm,
        spawning,
        exiting,
        soak,
        large_batch,
        opening,
    )
}


def main() -> None:
    task, bundle, images, engine, precision = sys.argv[1:]

    def load() -> strop.Model:
        return strop.load(bundle, engine=engine, precision=precision)

    sys.stdout.write(json.dumps(TASKS[task](load, np.load(images))))


if __name__ == "__main__":
    main()
