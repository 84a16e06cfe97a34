"""The source of a model: enough to open it again, in another thread or process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strop import engines
from strop.bundle.manifest import Variant
from strop.bundle.structs import Struct

if TYPE_CHECKING:  # an app waits for every import
    from strop.engines.base import Session


class ModelSource(Struct):
    """The verified file of a variant, and the engine and device to run it on."""

    data: bytes
    variant: Variant
    engine: str
    device: str  # "cpu" or "gpu"
    threads: int

    def open(self) -> Session:
        """Open a new session.

        Raises:
            Exception: whatever the engine's package raises.
        """
        engine = engines.get(self.engine)
        return engine.open(self.data, self.variant, device=self.device, threads=self.threads)
