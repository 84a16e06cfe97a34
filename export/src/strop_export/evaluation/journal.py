"""The journal of an evaluation: what is counted already, so that a killed one goes on.

The journal is a folder. `state.json` has the sums of all finished pieces, and which these are; it
is replaced as a whole, and nothing in it grows with the data but one bit a piece. Rows set aside
are in a file for each piece, which is written before the piece counts as finished: a piece that is
done again writes the same file again.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from strop import durable
from strop.bundle.digest import sha256_hex
from strop.bundle.records import decode
from strop.errors import BundleError
from strop_export.errors import EvaluationError
from strop_export.evaluation.sources.base import BadRows, Unit
from strop_export.evaluation.tally import Tally
from strop_export.evaluation.work import Job, Outcome

_SCHEMA = 1
_STATE, _BAD = "state.json", "bad-rows"
_SAVE_EVERY_S = 2.0  # at least; more where saving takes long
_SHARE = 0.05  # of the time, for saving

RESTART = "--restart begins anew, and forgets what is there"


class Counted(NamedTuple):
    """What is counted.

    Attributes:
        done: which pieces: bit i is set for piece i.
        rows: rows that are in the counts.
        bad_rows: rows set aside, as far as their number is known.
        busy_s: the time it took, in seconds, those of earlier runs included.
    """

    done: int = 0
    rows: int = 0
    bad_rows: int = 0
    busy_s: float = 0.0


class Journal:
    """The journal of one evaluation.

    Args:
        folder: its folder.
        request: a digest of all that the figures depend on.
        units: the number of pieces.
        job: makes and reads counts.

    Raises:
        EvaluationError: the journal there is of another request, or damaged; or it cannot be
            written.
    """

    def __init__(self, folder: Path, request: str, units: int, job: Job) -> None:
        self._folder = folder
        self._request = request
        self._units = units
        self._began = self._saved = time.monotonic()
        self._cost_s = 0.0
        self.counted, self.tally = Counted(), job.tally()
        if folder.is_dir():
            self.counted, self.tally = self._read(job)
        self.resumed = self.counted
        try:
            durable.make_folder(str(folder / _BAD))
        except OSError as error:
            raise _unwritable(folder, error) from None
        self.save()

    def left(self, units: tuple[Unit, ...]) -> Iterator[tuple[int, Unit]]:
        """Yield the pieces that are not done, numbered."""
        done = self.counted.done
        return ((i, unit) for i, unit in enumerate(units) if not done >> i & 1)

    def add(self, outcome: Outcome, job: Job) -> None:
        """Count a finished piece, and save the journal if that is due.

        Raises:
            EvaluationError: the journal cannot be written.
        """
        if outcome.bad:
            self._write(
                f"{_BAD}/{outcome.unit}.jsonl", b"".join(bad_line(bad) for bad in outcome.bad)
            )
        self.tally.merge(job.counted(outcome.tally))
        done, rows, bad_rows, busy_s = self.counted
        self.counted = Counted(
            done | 1 << outcome.unit,
            rows + outcome.rows,
            bad_rows + sum(bad.count or 0 for bad in outcome.bad),
            busy_s,
        )
        wait_s = max(_SAVE_EVERY_S, self._cost_s / _SHARE)
        if time.monotonic() - self._saved >= wait_s:
            self.save()

    def save(self) -> None:
        """Write what is counted.

        Raises:
            EvaluationError: it cannot be written.
        """
        now = time.monotonic()
        self.counted = self.counted._replace(busy_s=self.resumed.busy_s + now - self._began)
        state = {
            "schema": _SCHEMA,
            "request": self._request,
            "units": self._units,
            **self.counted._asdict(),
            "done": f"{self.counted.done:x}",
            "tally": self.tally.to_json(),
        }
        self._write(_STATE, _json({**state, "sha256": sha256_hex(_json(state))}))
        self._saved = time.monotonic()
        self._cost_s = self._saved - now

    def bad_lines(self) -> Iterator[bytes]:
        """Yield the lines about rows set aside, in the order of the pieces."""
        for number in sorted(int(path.stem) for path in (self._folder / _BAD).glob("*.jsonl")):
            if self.counted.done >> number & 1:
                yield (self._folder / _BAD / f"{number}.jsonl").read_bytes()

    def remove(self) -> None:
        """Remove the journal."""
        shutil.rmtree(self._folder)

    def _write(self, name: str, content: bytes) -> None:
        try:
            durable.write(str(self._folder / name), content)
        except OSError as error:
            raise _unwritable(self._folder / name, error) from None

    def _read(self, job: Job) -> tuple[Counted, Tally]:
        path = self._folder / _STATE
        try:
            content = decode(path.read_bytes(), str(path))
            digest = content.pop("sha256")
            if digest != sha256_hex(_json(content)) or content["schema"] != _SCHEMA:
                raise ValueError
            if (content["request"], content["units"]) != (self._request, self._units):
                raise EvaluationError(
                    f"{self._folder.parent} holds an unfinished evaluation of another request, or "
                    "the data have changed since",
                    f"choose another --out; {RESTART}",
                )
            counted = Counted(
                int(content["done"], 16),
                int(content["rows"]),
                int(content["bad_rows"]),
                float(content["busy_s"]),
            )
            return counted, job.counted(content["tally"])
        except FileNotFoundError:  # killed before the first was written
            return Counted(), job.tally()
        except OSError as error:
            raise EvaluationError(f"cannot read {path}: {error.strerror}", RESTART) from None
        except EvaluationError:
            raise
        except (AttributeError, BundleError, LookupError, TypeError, ValueError):
            raise EvaluationError(f"{path} is damaged", RESTART) from None


def bad_line(bad: BadRows) -> bytes:
    """Write rows set aside as a line of JSON."""
    return _json(bad._asdict()) + b"\n"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode("ascii")


def _unwritable(path: Path, error: OSError) -> EvaluationError:
    return EvaluationError(f"cannot write {path}: {error.strerror or error}")
