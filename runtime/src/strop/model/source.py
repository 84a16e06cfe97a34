"""What a model is opened from: enough to open it once more, in another thread or process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strop import engines
from strop.bundle.manifest import Variant
from strop.bundle.structs import Struct

if TYPE_CHECKING:  # an app waits for every import
    from strop.engines.base import Session


class ModelSource(Struct):
    """A variant's file, verified, and where it is to run."""

    data: bytes
    variant: Variant
    engine: str
    device: str  # "cpu" or "gpu"
    threads: int

    def open(self) -> Session:
        """A new session. Raises whatever the engine's package raises."""
        engine = engines.get(self.engine)
        return engine.open(self.data, self.variant, device=self.device, threads=self.threads)
