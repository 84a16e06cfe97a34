"""What an engine must be: two small objects. Everything convenient is in `strop.model`, once."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from strop.manifest import Variant

Arrays = tuple[NDArray[Any], ...]


class Session(Protocol):
    """An opened model. Inputs and outputs are tuples in the order of the variant's tensors.

    This schema of bundles has one of each; the tuples keep the contract when that changes.
    """

    thread_safe: bool  # whether `run` may be called from several threads at once
    batch: int | None  # samples one `run` takes; None: any number
    adapter: str  # the GPU that runs it, by the name its driver gives; empty on the CPU

    def run(self, inputs: Arrays) -> Arrays:
        """Run once on arrays of exactly the file's shapes and dtypes; give arrays of one's own."""

    def close(self) -> None:
        """Let go of the native memory. Called once; calls of `run` may still be in flight only if
        the session is thread-safe.
        """


class Engine(Protocol):
    """An inference engine; the module that holds it is imported only if its package is there."""

    name: str
    format: str | None  # the variants it opens; None: any
    devices: tuple[str, ...]
    takes_threads: bool  # whether `threads` makes any difference

    def version(self) -> str:
        """The version of the package."""

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        """Open a model held in memory. May raise whatever the package raises.

        On "gpu" the whole model runs there, or DeviceUnavailable is raised, saying what was tried
        and what would help.

        Args:
            model: the variant's file, its digest verified.
            variant: what the manifest says of that file.
            device: one of `devices`.
            threads: 1 or more.
        """
