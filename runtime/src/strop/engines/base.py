"""The two protocols of an engine. Everything convenient is in `strop.model.model`, once.

They are for type checkers: at the start of an app nothing imports this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from strop.bundle.manifest import Variant

    # One array where the model has one input (or output), else one each, in the manifest's order.
    Arrays = NDArray[Any] | tuple[NDArray[Any], ...]


class Session(Protocol):
    """An opened model.

    A session may also have `checked`: a call that takes whatever an app gives `Model.predict`,
    and returns the answer if that is valid, by the same rules as `Model`'s; else None, without
    having run anything that can be seen. `Model` then says what is wrong.
    """

    thread_safe: bool  # whether `run` may be called from several threads at once
    batch: int | None  # samples one `run` takes; None: any number
    largest: int  # samples it runs at once; of more it makes parts
    adapter: str  # the GPU that runs it, by the name its driver gives; empty on the CPU

    def run(self, samples: Any) -> Any:
        """Run the model once.

        Args:
            samples: for a file with one input an array (N, ...), exactly the shape that the file
                takes, and the dtype that the manifest names for the app; for a file with several, a
                tuple of such arrays, in the manifest's order. Where the file takes float32 and the
                app gives integers, the session converts, in the way that is best for its engine.

        Returns:
            An array (N, ...) for a file with one output; for several, a tuple of arrays in the
            manifest's order. Nothing else holds or writes to them.
        """

    def is_busy(self) -> bool:
        """Tell whether a call is inside native code that a thread must not be stopped in.

        Only thread-safe sessions are asked; the others have a lock.
        """

    def close(self) -> None:
        """Release the native memory.

        It is called once. Calls of `run` may still be in flight only if the session is thread-safe.
        """


class Engine(Protocol):
    """An inference engine; the module that holds it is imported only if its package is there."""

    def version(self) -> str:
        """Return the version of the package."""

    def open(self, model: bytes, variant: Variant, *, device: str, threads: int) -> Session:
        """Open a model held in memory. It may raise whatever the package raises.

        Args:
            model: the variant's file, its digest verified.
            variant: what the manifest says of that file.
            device: one of those that the table of engines gives it.
            threads: threads for one call, 1 or more.

        Raises:
            DeviceUnavailable: on "gpu", the whole model cannot run there; the message says what was
                tried and what would help.
        """
