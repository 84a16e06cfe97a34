"""All work on the models, begun at once: training, boards, other tools; tests wait for results."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strop_export.firmware.cpus import CPUS, Cpu
from strop_export.firmware.sizes import Sizes, measure
from strop_export.formats.plan_reader import read_plan
from tests.contract import tflite_kit
from tests.mcu import emulator, models, peers
from tests.mcu.emulator import Ran
from tests.mcu.models import Built
from tests.mcu.peers import Tflm
from tests.native.networks import with_inner_outputs
from tests.native.test_parity import differing
from tests.needs import strop_native

Array = NDArray[Any]

WHOLE = ("cortex-m3", "rv32imac")  # run all samples; the others some
FEW = 100  # samples of the other CPUs, and of TFLM
COUNTED = 6  # samples by which instructions are counted


class Cell(NamedTuple):
    """A model on a CPU."""

    sizes: Sizes
    samples: int
    differing_bytes: int  # of the outputs, from the native engine's here
    ran: Ran
    instructions: int  # of a sample


class Heads(NamedTuple):
    """The last int8 values of a model, (1000, ...), on two engines."""

    ours: Array
    theirs: Array


class Laboratory:
    """The results of all work.

    Args:
        artifact: that of the MNIST network.
        tflite: an interpreter with tflite-runtime.
        folder: where files may be written.
    """

    def __init__(self, artifact: Path, tflite: Path, folder: Path) -> None:
        self._artifact, self._tflite, self._folder = artifact, tflite, folder
        # TensorFlow has many threads: it trains in a process that starts no programs.
        self._trainer = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        # One fills all cores with emulators, one does the rest.
        self._boards, self._others = (ThreadPoolExecutor(1) for _ in range(2))
        self._begun: dict[tuple[str, str], Future[Any]] = {}

    def begin(self, names: Iterable[str]) -> None:
        """Begin the work on models."""
        for name in names:
            # Those that follow wait for the first, which must be there before they begin.
            self._begun[name, "built"] = self._trainer.submit(
                _build, name, self._artifact, self._place(name)
            )
            for cpu in CPUS:
                self._begun[name, cpu.name] = self._boards.submit(self._cell, name, cpu)
            self._begun[name, "heads"] = self._others.submit(self._heads, name)
            self._begun[name, "tflm"] = self._others.submit(self._tflm, name)
            self._begun[name, "emlearn"] = self._others.submit(self._emlearn, name)

    def close(self) -> None:
        """Forget work that no test waits for."""
        for pool in (self._trainer, self._boards, self._others):
            pool.shutdown(cancel_futures=True)

    def model(self, name: str) -> Built:
        """Return a model's files and samples."""
        return models.read(self._wait(name, "built"))

    def cell(self, name: str, cpu: Cpu) -> Cell:
        """Return a model's figures on a CPU."""
        found: Cell = self._wait(name, cpu.name)
        return found

    def heads(self, name: str) -> Heads:
        """Return the last int8 values, here and on tflite-runtime's reference kernels."""
        found: Heads = self._wait(name, "heads")
        return found

    def tflm(self, name: str) -> Tflm:
        """Return the figures of TensorFlow Lite for Microcontrollers, over the first samples."""
        found: Tflm = self._wait(name, "tflm")
        return found

    def emlearn(self, name: str) -> dict[str, Sizes]:
        """Return what emlearn's C takes, by CPU; empty where it does not hold the model."""
        found: dict[str, Sizes] = self._wait(name, "emlearn")
        return found

    def _wait(self, name: str, what: str) -> Any:
        return self._begun[name, what].result()

    def _cell(self, name: str, cpu: Cpu) -> Cell:
        plan, samples = self.model(name).plan, self.model(name).samples
        if cpu.name not in WHOLE:
            samples = samples[:FEW]
        firmware = emulator.build_runner(self._place(name), name, cpu)
        ran = emulator.run(firmware, cpu, plan, [samples])
        counted = emulator.run(firmware, cpu, plan, [samples[:COUNTED]], count=True)
        found = strop_native().Model(plan).run((samples,))
        apart = sum(
            differing(a.view(np.uint8), b.view(np.uint8))
            for a, b in zip(ran.outputs, found, strict=True)
        )
        sizes = measure(self._place(name), cpu)
        return Cell(sizes, len(samples), apart, ran, round(counted.instructions))

    def _heads(self, name: str) -> Heads:
        made = self.model(name)
        steps = read_plan(made.plan).steps
        tensors = read_plan(made.plan).tensors
        last = max(i for i, step in enumerate(steps) if tensors[step.output].dtype == "int8")
        inner = strop_native().Model(with_inner_outputs(made.plan))
        parts = np.array_split(made.samples, 10)  # all tensors of few samples
        ours = np.concatenate([inner.run((part,))[last] for part in parts])
        case = tflite_kit.Case(made.tflite, made.samples)
        folder = self._place(name)
        (found,) = tflite_kit.run_tflite_runtime([case], "BUILTIN_REF", self._tflite, folder)
        # Results are named NUMBER.OPERATOR; a plan has a step for each operator.
        (theirs,) = (
            value
            for key, value in found.items()
            if key.count(".") == 1 and key.startswith(f"{last}.")
        )
        return Heads(ours, theirs.reshape(ours.shape))

    def _tflm(self, name: str) -> Tflm:
        made = self.model(name)
        samples = made.samples[:FEW]
        return peers.run_tflm(made.tflite, samples, peers.peers_python(), self._place(name))

    def _emlearn(self, name: str) -> dict[str, Sizes]:
        plan = read_plan(self.model(name).plan)
        if not peers.is_dense(plan):
            return {}
        found = peers.measure_emlearn(plan, CPUS, peers.peers_python(), self._place(name))
        return {cpu.name: sizes for cpu, sizes in zip(CPUS, found, strict=True)}

    def _place(self, name: str) -> Path:
        return self._folder / name


def _build(name: str, artifact: Path, place: Path) -> Path:
    kept = models.build(name, artifact)
    emulator.write_folder(place, models.read(kept).plan, name)
    return kept
