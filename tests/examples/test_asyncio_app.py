"""The example for asyncio: batches of many clients, and one bad sample among good ones."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strop
from examples import asyncio_app
from tests.bundles import vector
from tests.environments import ROOT
from tests.examples.running import LIMIT_S, listening

CLIENTS = 20


class Counting:
    """A model that keeps the size of each batch, and waits before it as long as a test wants."""

    def __init__(self, model: strop.Model) -> None:
        self.prediction = model.prediction
        self.input = model.input
        self.sizes: list[int] = []
        self.wait: Callable[[], object] = lambda: None
        self._predict = model.predict

    def predict(self, batch: NDArray[Any]) -> Any:
        self.wait()
        self.sizes.append(len(batch))
        return self._predict(batch)


@pytest.fixture
def model(bundle: Path) -> Iterator[Counting]:
    with strop.load(bundle) as opened:
        yield Counting(opened)


def ask(port: int, samples: NDArray[Any]) -> list[Any]:
    """Send samples one by one over one connection, and return the answers."""
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as channel:
        file = channel.makefile("rb")
        found = []
        for sample in samples:
            channel.sendall(sample.tobytes())
            found.append(json.loads(file.readline()))
        return found


def test_it_ends_quietly_with_connections_open(bundle: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "asyncio_app.py"), str(bundle), "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline().split()[-1])
        with socket.create_connection(("127.0.0.1", port)) as channel:
            channel.sendall(bytes(784))
            assert channel.recv(1)
            process.terminate()
            said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (0, ("", ""))


def test_clients_get_their_own_answers(bundle: Path, digits: NDArray[np.uint8]) -> None:
    with (
        strop.load(bundle) as model,
        listening("asyncio_app.py", bundle, "0", says=r"answers on port (\d+)") as port,
    ):
        expected = [model.classify(digit).label for digit in digits]
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"half a sample")
            with ThreadPoolExecutor(CLIENTS) as pool:
                turned = [np.roll(digits, shift, axis=0) for shift in range(CLIENTS)]
                found = list(pool.map(ask, [port] * CLIENTS, turned))
    for shift, answers in enumerate(found):
        assert [answer["label"] for answer in answers] == list(np.roll(expected, shift))


@pytest.mark.parametrize("is_slow", [False, True], ids=["on the loop", "in a thread"])
def test_what_has_queued_up_is_one_batch(
    model: Counting, digits: NDArray[np.uint8], is_slow: bool
) -> None:
    count = asyncio_app.LARGEST + 6

    async def queued() -> list[Any]:
        jobs: asyncio_app.Jobs = asyncio.Queue()
        places = [asyncio.get_running_loop().create_future() for _ in range(count)]
        for number, place in enumerate(places):
            jobs.put_nowait((digits[number % 10], place))
        places[3].cancel()  # a client that went away
        task = asyncio.create_task(asyncio_app.consume(model, jobs, is_slow))  # type: ignore[arg-type]
        found = await asyncio.wait_for(asyncio.gather(*places[:3], *places[4:]), LIMIT_S)
        task.cancel()
        return found

    found = asyncio.run(queued())
    assert model.sizes == [asyncio_app.LARGEST, 6]
    assert found[0] == model.prediction(model.predict(digits[:1])[0]).to_dict()


def test_a_slow_batch_leaves_the_loop_free(model: Counting, digits: NDArray[np.uint8]) -> None:
    """The thread waits for the loop: on the loop, it would wait for ever."""
    go_on = asyncio.Event()

    async def free() -> None:
        loop = asyncio.get_running_loop()
        model.wait = lambda: asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(LIMIT_S)
        jobs: asyncio_app.Jobs = asyncio.Queue()
        place = loop.create_future()
        jobs.put_nowait((digits[0], place))
        task = asyncio.create_task(asyncio_app.consume(model, jobs, is_slow=True))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        assert not place.done()
        go_on.set()
        await asyncio.wait_for(place, LIMIT_S)
        task.cancel()

    asyncio.run(free())


def test_one_bad_sample_does_not_fail_the_others(tmp_path: Path) -> None:
    samples = list(np.ones((3, 5), np.float32))
    samples[1] = np.full(5, np.nan, np.float32)
    with strop.load(vector().write(tmp_path / "gauge.strop")) as model:
        good, bad, also_good = asyncio_app.answers(model, samples)
    assert good["label"] == also_good["label"]
    assert "NaN" in bad["error"] or "finite" in bad["error"]


def test_a_wrong_use_is_one_line(bundle: Path, tmp_path: Path) -> None:
    app = ROOT / "examples" / "asyncio_app.py"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wrong: list[list[object]] = [[], [tmp_path / "none"], [bundle, "x"], [bundle, port]]
        for arguments in wrong:
            done = subprocess.run(
                [sys.executable, app, *map(str, arguments)],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            assert done.returncode == 1
            assert len(done.stderr.splitlines()) == 1, done.stderr
