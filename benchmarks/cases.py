"""The cases: every way to call every peer, at every precision it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib import import_module
from typing import Any

from benchmarks.peers import NAMES, Loop
from benchmarks.results import LIMIT, PEER, STROP, UNITS, Row
from strop import engines

STROP_MODULE, _LIMIT_MODULE = "strop_runtime", "vnni_loop"
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
    isa: str = ""  # the newest instructions that it may use; "": those of the CPU
    is_dense: bool = False  # it runs random bytes instead of the test set

    @property
    def name(self) -> str:
        """The name in the results, such as "LiteRT set_tensor int8"."""
        words = (self.loop, self.precision, self.isa, "dense" if self.is_dense else "")
        return " ".join(filter(None, words))

    @property
    def kind(self) -> str:
        """STROP, PEER or LIMIT, as in the results."""
        if self.module == STROP_MODULE:
            return STROP
        return LIMIT if self.module == _LIMIT_MODULE else PEER

    @property
    def process(self) -> str:
        """Cases with the same value share a process: an engine's own loops and Strop's over it."""
        process = self.engine or self.module
        return f"{process}-{self.isa}" if self.isa else process

    @property
    def is_usual(self) -> bool:
        """True if it runs the test set, with all instructions of the CPU."""
        return not (self.is_dense or self.isa)

    @property
    def on_test_set(self) -> Case:
        """The same case on the test set."""
        return replace(self, is_dense=False)

    @property
    def usual(self) -> Case:
        """The usual case, which opens the same file."""
        return replace(self, is_dense=False, isa="")

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
            usual = Case(name, loop.name, "", engine, loop.file, place)
            found += [
                replace(usual, precision=precision, **change)
                for precision in loop.precisions
                for change in _changes(loop, precision)
            ]
    order = list(dict.fromkeys((case.process, case.precision) for case in found))
    found.sort(key=lambda case: order.index((case.process, case.precision)))
    return [case for case in found if fnmatch(case.name, only)]


def _changes(loop: Loop, precision: str) -> Iterator[dict[str, Any]]:
    """Yield how each case of a loop at a precision differs from the usual one."""
    yield {}
    if precision in loop.dense:
        yield {"is_dense": True}
    if precision in loop.avx2:
        yield {"isa": "avx2"}


def installs(case: Case) -> tuple[str, ...]:
    """Return the packages that an app would `pip install` for a case, besides NumPy.

    For Strop these are its wheel and the engine.
    """
    own: tuple[str, ...] = peer(case.module).INSTALLS
    package = engines.entry(case.engine).package if case.kind == STROP else None
    return (*own, package.replace("_", "-")) if package else own


def judged(some: Iterable[Case]) -> list[Case]:
    """Return the cases in ratios of starts: Strop, and raw loops of its engines."""
    return [case for case in some if case.engine]


def compared(some: Iterable[Case]) -> list[Case]:
    """Return the cases in ratios of batches: all that can be the fastest."""
    return [case for case in some if case.environment != "keras"]


def first_of_each(some: Iterable[Case]) -> list[Case]:
    """Return one case for each package, and one for each engine of Strop.

    It is the first usual loop at its first precision. Raw loops and Strop on one engine get the
    same precision, Strop's first.
    """
    some = [case for case in some if case.is_usual]
    preferred: dict[str, str] = {}
    for case in some:
        if case.module == STROP_MODULE:
            preferred.setdefault(case.engine, case.precision)
    chosen: dict[tuple[str, str], Case] = {}
    for case in some:
        if case.precision == preferred.get(case.engine, case.precision):
            chosen.setdefault((case.module, case.engine), case)
    return list(chosen.values())
