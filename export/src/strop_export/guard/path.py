"""The path down the ladder to the file that ships in place of an int8 one."""

from __future__ import annotations

from dataclasses import dataclass

from strop.bundle.manifest import Judged
from strop_export.formats import VariantSpec
from strop_export.formats.base import Ranked
from strop_export.metric import Measured


@dataclass(frozen=True)
class Tried:
    """One step that was tried, and how its file did on the held-out samples.

    Attributes:
        name: the step's name.
        spec: the file.
        outputs: its figures, by output; empty if it could not be written or run.
        samples: the number of samples that judged it: those held out, and if it held on them, those
            that calibrate too; 0 if it could not be run.
        size: bytes of the file; None if it could not be written.
        integer_share: the share of its multiply-accumulates in integers, 0 to 1; None if that
            is not known.
        fault: why it does not hold; "" if it does.
        at_fault: the index of the first output that misses its bound.
        measured: its figures by the user's own metric; None without one, or if it fails.
    """

    name: str
    spec: VariantSpec
    outputs: tuple[Judged, ...] = ()
    samples: int = 0
    size: int | None = None
    integer_share: float | None = None
    fault: str = ""
    at_fault: int = 0
    measured: Measured | None = None


@dataclass(frozen=True)
class Path:
    """The steps tried for one int8 file of a target; only the last one may hold.

    Attributes:
        asked: the int8 file.
        tried: the steps, in order.
        calibrating: the number of samples that calibrate.
        held_out: the number of other samples, which judge each step first.
        stopped: why no more layers were put into float; "" if none were, or they helped.
        ranking: the layers by the error that each causes alone, the worst first.
    """

    asked: VariantSpec
    tried: tuple[Tried, ...]
    calibrating: int
    held_out: int
    stopped: str = ""
    ranking: tuple[Ranked, ...] = ()

    @property
    def chosen(self) -> VariantSpec | None:
        """The file that holds; None if none does."""
        return None if self.tried[-1].fault else self.tried[-1].spec
