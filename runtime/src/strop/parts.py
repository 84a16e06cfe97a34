"""Batches in parts, for sessions of one sample and for models of real numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from strop.engines.batches import in_parts

if TYPE_CHECKING:  # an app waits for every import
    from numpy.typing import NDArray

    from strop.engines.base import Session


class InParts:
    """A session over another, that takes batches of any size and any real dtype.

    Some files take one sample; and of real numbers a copy of the model's own dtype might not fit
    beside a large batch. All of a call is one run of this, so that it ends as it began, whoever
    closes the model meanwhile.
    """

    batch: int | None = None

    def __init__(self, session: Session, dtype: str) -> None:
        self.thread_safe = session.thread_safe
        self.largest = session.batch or session.largest
        self.adapter = session.adapter
        self._session = session
        self._dtype = np.dtype(dtype)

    def run(self, samples: NDArray[Any]) -> NDArray[Any]:
        if len(samples) > self.largest:
            return in_parts(self.run, samples, self.largest)
        return self._session.run(samples.astype(self._dtype, copy=False))

    def is_busy(self) -> bool:
        return self._session.is_busy()

    def close(self) -> None:
        self._session.close()
