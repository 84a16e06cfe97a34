"""The counts of a model: how often the figures of what it met fell into the profile's bins.

They hold no sample, and are of bounded size however long a model counts. docs/drift.md describes
them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from strop import durable
from strop.bundle.digest import is_sha256
from strop.bundle.files import path_of
from strop.bundle.manifest import InputSpec, Manifest, OutputSpec, is_name, plain
from strop.bundle.records import read_record
from strop.bundle.schema import MAX_CLASSES, MAX_FIGURES, MAX_TENSORS
from strop.bundle.structs import Struct
from strop.errors import BundleError, InputError, StropError, printable

if TYPE_CHECKING:
    from os import PathLike

SCHEMA = 1
MAX_COUNTS_BYTES = 24 * 2**10
SAMPLES_OF_A_CALL = 32  # that are counted of a batch, at most
SEVERAL = "several"  # the engine or precision of counts of models that differ in it

_MOST_TEXT = 100  # characters
_MOST = 2**63  # numbers are below it
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

_Bins = tuple[tuple[tuple[int, ...], ...], ...]  # of each input or output, of each histogram


class Counts(Struct):
    """What a model has met and answered since it was loaded; `Model.counts` gives it.

    Attributes:
        schema: 1.
        bundle: the identity of the bundle: the SHA-256 of its manifest, in hexadecimal.
        name: the model's name.
        model_version: the model's version.
        engine: the engine that ran it; "several" of added counts that differ in it.
        precision: the precision that ran, such as "int8"; or "several".
        every: one of so many calls was counted, on average.
        calls: calls that were answered.
        samples: samples that were counted, at most 32 of a call.
        since: when the counting began, by the device's clock, in UTC: "2026-11-28T09:30:00Z".
        until: when these counts were taken.
        inputs: for each input, for each histogram of its profile, the samples in each bin.
        outputs: for each output, the same of its answers.
    """

    schema: int
    bundle: str
    name: str
    model_version: int
    engine: str
    precision: str
    every: int
    calls: int
    samples: int
    since: str
    until: str
    inputs: tuple[tuple[tuple[int, ...], ...], ...]
    outputs: tuple[tuple[tuple[int, ...], ...], ...]

    def to_json(self) -> bytes:
        """Write these counts in their one form: one line of JSON with sorted keys, in ASCII.

        Returns:
            The bytes of a file of counts, at most 24 KiB.

        Raises:
            InputError: they take more than 24 KiB.
        """
        import json  # an app may never write them

        text = json.dumps(plain(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        data = text.encode("ascii") + b"\n"
        if len(data) > MAX_COUNTS_BYTES:
            raise InputError(f"the counts take {len(data)} bytes, more than {MAX_COUNTS_BYTES}")
        return data

    def save(self, path: str | PathLike[str]) -> None:
        """Write these counts to a file; a power cut leaves the old file or the new one, whole.

        Args:
            path: the file; one that is there already is replaced.

        Raises:
            InputError: it is no path.
            StropError: it cannot be written.
        """
        file = path_of(path, "path")
        data = self.to_json()
        try:
            durable.require_file(file)
            durable.write(file, data)
        except OSError as error:
            raise StropError(f"cannot write {printable(file)}: {error.strerror or error}") from None


def read_counts(data: bytes) -> Counts:
    """Read counts, from anywhere.

    Args:
        data: the bytes of a file that `Counts.save` wrote.

    Raises:
        InputError: they are larger than 24 KiB, of another schema, malformed, or contradict
            themselves; the message says how.
    """
    try:
        counts: Counts = read_record(
            Counts,
            data,
            "the counts",
            schema=SCHEMA,
            max_bytes=MAX_COUNTS_BYTES,
            mend="install a newer strop wheel here",
        )
    except BundleError as error:
        raise InputError(error.problem, error.mend) from None
    problem = _problem(counts)
    if not problem and counts.to_json() != data:
        problem = "they are not written as strop writes them"
    if problem:
        raise InputError(f"the counts cannot be used: {problem}")
    return counts


def matches(counts: Counts, manifest: Manifest, digest: str) -> bool:
    """Tell whether counts are of a bundle.

    Args:
        counts: from anywhere.
        manifest: the bundle's.
        digest: the bundle's identity.
    """
    return (
        counts.bundle == digest
        and (counts.name, counts.model_version) == (manifest.name, manifest.model_version)
        and _shape(counts.inputs) == _bins(manifest.inputs)
        and _shape(counts.outputs) == _bins(manifest.outputs)
    )


def add(first: Counts, second: Counts) -> Counts:
    """Add the counts of two models of one bundle, such as those of two processes or devices.

    Args:
        first: from anywhere.
        second: from anywhere.

    Returns:
        Counts from the earlier beginning to the later end. `every` is the larger of both.

    Raises:
        InputError: they are of two bundles.
    """
    if _identity(first) != _identity(second):
        raise InputError(
            f"these are counts of two bundles, {_named(first)} and {_named(second)}",
            "add those of one bundle",
        )
    return first._replace(
        engine=first.engine if first.engine == second.engine else SEVERAL,
        precision=first.precision if first.precision == second.precision else SEVERAL,
        every=max(first.every, second.every),
        calls=first.calls + second.calls,
        samples=first.samples + second.samples,
        since=min(first.since, second.since),
        until=max(first.until, second.until),
        inputs=_sum(first.inputs, second.inputs),
        outputs=_sum(first.outputs, second.outputs),
    )


def _bins(specs: tuple[InputSpec, ...] | tuple[OutputSpec, ...]) -> list[list[int]]:
    return [[len(histogram.counts) for histogram in spec.profile] for spec in specs]


def _shape(counts: _Bins) -> list[list[int]]:
    return [[len(bins) for bins in histograms] for histograms in counts]


def _identity(counts: Counts) -> tuple[object, ...]:
    named = counts.bundle, counts.name, counts.model_version
    return *named, _shape(counts.inputs), _shape(counts.outputs)


def _named(counts: Counts) -> str:
    return f"{counts.name} v{counts.model_version} ({counts.bundle[:12]})"


def _sum(first: _Bins, second: _Bins) -> _Bins:
    return tuple(
        tuple(
            tuple(a + b for a, b in zip(bins, others, strict=True))
            for bins, others in zip(histograms, beside, strict=True)
        )
        for histograms, beside in zip(first, second, strict=True)
    )


def _problem(counts: Counts) -> str:
    """Say what is wrong with the values of counts; "" if nothing is."""
    if not is_sha256(counts.bundle):
        return "their bundle is not named by its SHA-256"
    if not counts.name or not is_name(counts.name):
        return "they name no model"
    if any(not 0 < len(text) <= _MOST_TEXT for text in (counts.engine, counts.precision)):
        return "they name no engine or precision"
    if not (_TIME.fullmatch(counts.since) and _TIME.fullmatch(counts.until)):
        return "they have no time in UTC, such as 2026-11-28T09:30:00Z"
    numbers = (counts.model_version, counts.every - 1, counts.calls, counts.samples)
    if not all(0 <= number < _MOST for number in numbers):
        return "a number in them is out of range"
    if counts.samples > SAMPLES_OF_A_CALL * counts.calls:
        return "they have more samples than their calls"
    for side in (counts.inputs, counts.outputs):
        if not 0 < len(side) <= MAX_TENSORS:
            return "they have no inputs or outputs, or too many"
        for histograms in side:
            if not 0 < len(histograms) <= MAX_FIGURES:
                return "they have no histograms, or too many"
            for bins in histograms:
                if not 2 <= len(bins) <= MAX_CLASSES or min(bins) < 0:
                    return "a histogram in them is malformed"
                if sum(bins) != counts.samples:
                    return "a histogram in them does not hold all samples"
    return ""
