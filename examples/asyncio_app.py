"""Answer samples that arrive over TCP, as many at a time as have arrived.

Install: pip install "$(echo ./strop-*.whl)[litert]"
Start:   python asyncio_app.py BUNDLE PORT
Try:     send a sample as the raw bytes of the model's input (784 for MNIST); read a line of JSON

One task predicts what has queued up as one batch: the busier the app, the larger the batches, and
no sample waits for a batch to fill. A batch that takes milliseconds is run in a thread, so that the
event loop stays free. A shorter one is run on the loop itself: the way to a thread takes longer.
"""

import asyncio
import json
import signal
import sys
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

import strop

LARGEST = 64  # samples of a batch
SLOW_S = 0.001  # a batch that takes longer is run in a thread
Jobs = asyncio.Queue[tuple[Any, asyncio.Future[Any]]]  # a sample, and the place for its answer


def answers(model: strop.Model, samples: list[Any]) -> list[Any]:
    """Return the answer for each sample, or its error: one bad sample does not fail the others."""
    try:
        return [model.prediction(row).to_dict() for row in model.predict(np.stack(samples))]
    except strop.StropError as error:
        if len(samples) == 1:
            return [{"error": str(error)}]
    return [answers(model, [sample])[0] for sample in samples]


async def consume(model: strop.Model, jobs: Jobs, is_slow: bool) -> None:
    """Answer what has queued up, batch by batch."""
    loop = asyncio.get_running_loop()
    while True:
        batch = [await jobs.get()]
        batch += [jobs.get_nowait() for _ in range(min(jobs.qsize(), LARGEST - 1))]
        run = partial(answers, model, [sample for sample, _ in batch])
        found = await loop.run_in_executor(None, run) if is_slow else run()
        for (_, place), answer in zip(batch, found, strict=True):
            if not place.cancelled():  # its client is still there
                place.set_result(answer)
        await asyncio.sleep(0)  # let the clients read and write


async def main(model: strop.Model, port: int) -> None:
    """Listen, and answer until cancelled."""
    zeros = np.zeros([size or 1 for size in model.input.shape[1:]], model.input.dtype)
    for _ in range(2):  # the first call prepares some things
        began = perf_counter()
        answers(model, [zeros] * LARGEST)
    is_slow = perf_counter() - began > SLOW_S
    jobs: Jobs = asyncio.Queue(LARGEST)  # while it is full, nothing is read from the clients

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while content := await reader.readexactly(zeros.nbytes):
                place = asyncio.get_running_loop().create_future()
                sample = np.frombuffer(content, zeros.dtype).reshape(zeros.shape)
                await jobs.put((sample, place))
                writer.write(json.dumps(await place).encode() + b"\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is done, or the program ends
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    print(model, "answers on port", server.sockets[0].getsockname()[1], flush=True)
    await consume(model, jobs, is_slow)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} BUNDLE PORT")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # as ^C
    try:
        with strop.load(sys.argv[1]) as model:
            asyncio.run(main(model, int(sys.argv[2])))
    except KeyboardInterrupt:
        pass
    except (strop.StropError, ValueError, OSError) as error:
        sys.exit(f"asyncio_app: {error}")
