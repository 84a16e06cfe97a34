"""What an engine must be: two small objects. Everything convenient is in `strop.model.model`, once.

For type checkers: at the start of an app nothing imports this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import Variant


class Session(Protocol):
    """An opened model, of one input and one output, as this schema of bundles has them."""

    thread_safe: bool  # whether `run` may be called from several threads at once
    batch: int | None  # samples one `run` takes; None: any number
    largest: int  # samples it runs at once; of more it makes parts
    adapter: str  # the GPU that runs it, by the name its driver gives; empty on the CPU

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Run once, on samples of exactly the file's shape; give an array of one's own.

        They are of the dtype that the manifest names for the app. Where the file takes float32
        instead of bytes, it is for the session to widen them, as its engine does so best.
        """

    def is_busy(self) -> bool:
        """Whether a call is inside native code that a thread must not be stopped in.

        Asked of thread-safe sessions; of the others there is a lock.
        """

    def close(self) -> None:
        """Let go of the native memory. Called once; calls of `run` may still be in flight only if
        the session is thread-safe.
        """


class Engine(Protocol):
    """An inference engine; the module that holds it is imported only if its package is there."""

    def version(self) -> str:
        """The version of the package."""

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        """Open a model held in memory. May raise whatever the package raises.

        On "gpu" the whole model runs there, or DeviceUnavailable is raised, saying what was tried
        and what would help.

        Args:
            model: the variant's file, its digest verified.
            variant: what the manifest says of that file.
            device: one of those that the table of engines gives it.
            threads: 1 or more.
        """
