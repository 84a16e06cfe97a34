"""The cases: every way to call every peer, at every precision it has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from typing import Any

from benchmarks.peers import NAMES
from benchmarks.results import PEER, STROP, UNITS, Row

STROP_MODULE = "strop_runtime"
HELPERS = ("compiled_c", "interpreter")  # modules of benchmarks.peers that some peers share


@dataclass(frozen=True)
class Case:
    """One loop of a peer at one precision."""

    module: str  # a module of benchmarks.peers
    loop: str
    precision: str
    engine: str  # its Strop engine, or the engine of its raw loop; "" for other packages
    file: str  # the kind of file it is opened or built from
    environment: str  # "peers", "tflite" or "keras"

    @property
    def name(self) -> str:
        """The name in the results, such as "LiteRT set_tensor int8"."""
        return f"{self.loop} {self.precision}"

    @property
    def kind(self) -> str:
        """STROP or PEER, as in the results."""
        return STROP if self.module == STROP_MODULE else PEER

    @property
    def process(self) -> str:
        """Cases with the same value share a process: an engine's own loops and Strop's over it."""
        return self.engine or self.module

    def row(self, axis: str, **figures: Any) -> Row:
        """Make a row of the results for this case.

        Args:
            axis: a key of `UNITS`, which gives the row's unit.
            **figures: more fields of `Row`.
        """
        who = (self.name, self.kind, self.engine, self.precision)
        return Row(*who, axis, unit=UNITS[axis], **figures)


def peer(name: str) -> Any:
    """Import a module of `benchmarks.peers`.

    Args:
        name: one of `NAMES` or `HELPERS`.
    """
    return import_module(f"benchmarks.peers.{name}")


def cases(only: str = "*", modules: Iterable[str] = NAMES) -> list[Case]:
    """List all cases whose name matches; cases to be compared are neighbours.

    Args:
        only: a pattern for names, for fnmatch.
        modules: modules of `benchmarks.peers`.
    """
    peers = {name: peer(name) for name in modules}
    lives = {module.ENGINE: module.ENVIRONMENT for module in peers.values() if module.ENGINE}
    found = []
    for name, module in peers.items():
        for loop in module.LOOPS:
            engine = loop.engine or module.ENGINE
            place = lives.get(engine, module.ENVIRONMENT)
            found += [
                Case(name, loop.name, precision, engine, loop.file, place)
                for precision in loop.precisions
            ]
    order = list(dict.fromkeys((case.process, case.precision) for case in found))
    found.sort(key=lambda case: order.index((case.process, case.precision)))
    return [case for case in found if fnmatch(case.name, only)]


def installs(case: Case) -> tuple[str, ...]:
    """Return the packages that an app would `pip install` for a case, besides NumPy.

    For Strop these are its wheel and the engine.
    """
    own: tuple[str, ...] = peer(case.module).INSTALLS
    if case.module != STROP_MODULE:
        return own
    engines = [module for module in map(peer, NAMES) if case.engine == module.ENGINE]
    return (*own, *engines[0].INSTALLS)


def judged(some: Iterable[Case]) -> list[Case]:
    """Return the cases in Strop's ratios: Strop, and raw loops of its engines."""
    return [case for case in some if case.engine]


def first_of_each(some: Iterable[Case]) -> list[Case]:
    """Return one case for each package, and one for each engine of Strop.

    It is the first loop at its first precision. Raw loops and Strop on one engine get the same
    precision, Strop's first.
    """
    some = list(some)
    preferred: dict[str, str] = {}
    for case in some:
        if case.module == STROP_MODULE:
            preferred.setdefault(case.engine, case.precision)
    chosen: dict[tuple[str, str], Case] = {}
    for case in some:
        if case.precision == preferred.get(case.engine, case.precision):
            chosen.setdefault((case.module, case.engine), case)
    return list(chosen.values())
