"""The samples of a source: those that calibrate and those that judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from strop_export.errors import SourceError
from strop_export.source import arrays
from strop_export.source.arrays import Wanted
from strop_export.source.files import Files

MIN_SAMPLES = 50  # fewer cannot distinguish a model from one that is sometimes wrong


class Data:
    """The arrays that calibrate and those that judge: half each if there is only one file."""

    def __init__(
        self,
        files: Files,
        calibrating: arrays.Arrays,
        judging: arrays.Arrays,
        *,
        self_evaluated: bool,
    ) -> None:
        self._files = files
        self._calibrating = calibrating
        self.judging = judging
        self.self_evaluated = self_evaluated
        self._counts: dict[bool, int] = {}  # of samples, by whether they judge

    @classmethod
    def read(cls, files: Files, digests: Mapping[str, str]) -> Data:
        """Read the files of a source.

        Args:
            files: the paths.
            digests: from `files.digests`.

        Raises:
            SourceError: a file cannot be read.
        """
        calibrating = arrays.read_arrays(files.calibration)
        # The same file given twice counts as one.
        if digests.get("evaluation", digests["calibration"]) != digests["calibration"]:
            assert files.evaluation  # noqa: S101  it has a digest
            judging = arrays.read_arrays(files.evaluation)
            return cls(files, calibrating, judging, self_evaluated=False)
        # Take every other sample: samples are often sorted.
        halves: Sequence[arrays.Arrays] = [
            {name: array[start::2] for name, array in calibrating.items() if array.ndim}
            for start in (0, 1)
        ]
        return cls(files, *halves, self_evaluated=True)

    def samples(self, wanted: Sequence[Wanted]) -> tuple[arrays.Arrays, arrays.Arrays]:
        """Return the samples of each input by name, to calibrate and to judge.

        Raises:
            SourceError: they do not fit the model or each other, or are too few.
        """
        place = self._files.evaluation or self._files.calibration
        calibrating = arrays.samples(self._files.calibration, self._calibrating, wanted)
        judging = arrays.samples(place, self.judging, wanted)
        for name, array in judging.items():
            other = calibrating.get(name)
            if other is not None and other.dtype != array.dtype:
                raise SourceError(
                    f"{place} holds {array.dtype}, {self._files.calibration} {other.dtype}",
                    "give both as the device's sensor does",
                )
        count = max((len(array) for array in judging.values()), default=0)
        self._counts = {True: count, False: len(next(iter(calibrating.values())))}
        rows = zip(*(a.reshape(len(a), -1) for a in judging.values()), strict=True)
        different = len({tuple(part.tobytes() for part in row) for row in rows})
        if count >= MIN_SAMPLES and different < MIN_SAMPLES:
            raise SourceError(
                f"{place} has {count} samples for the proof, and only {different} different "
                f"ones; a proof needs {MIN_SAMPLES} or more",
                "give more",
            )
        if count < MIN_SAMPLES:
            half = ", half of its own" if self.self_evaluated else ""
            raise SourceError(
                f"{place} has {count} samples for the proof{half}, and a proof needs "
                f"{MIN_SAMPLES} or more",
                "give more",
            )
        return calibrating, judging

    def labels(self, outputs: Sequence[str], *, judging: bool) -> list[NDArray[Any] | None]:
        """Return the labels of each output; none for unknown outputs, after the same check.

        Args:
            outputs: the names of the model's outputs; empty if they are not known yet.
            judging: those of the samples that judge, not of those that calibrate.
        """
        place = (judging and self._files.evaluation) or self._files.calibration
        given = self.judging if judging else self._calibrating
        return arrays.labels_of(place, given, outputs, self._counts[judging])
