"""Checking a microcontroller over a serial line: what it computes, against what was proven.

The board's side is native/mcu/selfcheck.h, which shows the lines that it answers with. What comes
over the line may be anything. The board's own count of differing bytes is not enough to pass: the
CRC-32 of each sample's outputs must be that of the outputs in the bundle.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from strop.bundle.file import Bundle
from strop.bundle.manifest import Variant, is_name
from strop.diagnostics.replay import FAILED, PASSED, proven_outputs
from strop.diagnostics.serial_line import SerialLine
from strop.errors import DeviceUnavailable, EngineUnavailable, ParityError

VERSION = 1  # of the lines
BAUD = 115200  # of a port that is no USB board
LIMIT_S = 20  # how long a line may take
_REQUEST = b"strop check\n"
_ATTEMPTS = 3  # of answers that are damaged: a board may restart in the middle of one
_FIRST_PAUSE_S = 1.0  # until the board is asked again; then twice as long each time
_HEADER = re.compile(r"strop-check 1 (\S+) ([0-9a-f]{64}) (0|[1-9][0-9]{0,8})")
_VERSION = re.compile(r"strop-check ([0-9]{1,9}) .*")
_SAMPLE = re.compile(r"sample (0|[1-9][0-9]{0,8}) (0|[1-9][0-9]{0,9}) ([0-9a-f]{8})")
_END = re.compile(r"end ([0-9a-f]{8})")
_QUOTED = 60  # characters of what a board wrote, in a message


class SampleResult(NamedTuple):
    """One golden sample on the board."""

    sample: int
    status: str  # PASSED or FAILED
    differing_bytes: int  # as the board counts them, against what is compiled in
    crc32: str  # of the board's outputs, 8 hexadecimal digits
    proven_crc32: str


@dataclass(frozen=True)
class BoardResult:
    """A board that runs a plan of the bundle, and its samples."""

    port: str
    variant: Variant
    samples: tuple[SampleResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every sample gave the proven outputs."""
        return all(sample.status == PASSED for sample in self.samples)


class _Header(NamedTuple):
    model: str
    plan_sha256: str
    samples: int


class _Damaged(Exception):
    """An answer that began, and is not one; the text says what was found."""


def check_board(
    bundle: Bundle,
    port: str,
    baud: int = BAUD,
    *,
    limit_s: float = LIMIT_S,
    progress: Callable[[str], None] = lambda step: None,
) -> BoardResult:
    """Let a board run the golden samples that its firmware holds: the first ones of the bundle.

    Args:
        bundle: verified.
        port: a serial port, such as /dev/ttyACM0.
        baud: bits a second.
        limit_s: how long the board may take to begin its answer, and for each line of it.
        progress: called with a line before each step.

    Returns:
        What the board gave for each of its samples, compared with the bundle.

    Raises:
        BundleError: the golden arrays are not what the manifest says.
        EngineUnavailable: the bundle has no plan, which is what firmware is made of, or pyserial is
            not installed.
        InputError: the port has no such speed.
        DeviceUnavailable: there is no such port, or nothing there answers as a board does.
        ParityError: the board runs another model or plan, or other samples.
    """
    plans = [variant for variant in bundle.manifest.variants if variant.format == "plan"]
    if not plans:
        manifest = bundle.manifest
        raise EngineUnavailable(
            f"{manifest.name}-{manifest.target} has no plan, and firmware is made of plans",
            "export for the target mcu",
        )
    proven = {plan.sha256: (plan, _proven_crcs(bundle, plan)) for plan in plans}
    progress(f"asking the board at {port}")
    with SerialLine(port, baud) as line:
        header, said = _answer(line, bundle.manifest.golden.samples, limit_s, progress)
    _require_same(bundle, port, header)
    variant, right = proven[header.plan_sha256]
    results = []
    for number, (differing, crc) in enumerate(said):
        status = PASSED if crc == right[number] and not differing else FAILED
        crcs = f"{crc:08x}", f"{right[number]:08x}"
        results.append(SampleResult(number, status, differing, *crcs))
    return BoardResult(port, variant, tuple(results))


def _proven_crcs(bundle: Bundle, variant: Variant) -> list[int]:
    """Return the CRC-32 of each sample's proven outputs: their bytes, one output after another."""
    outputs = [
        array.astype(array.dtype.newbyteorder("<")) for array in proven_outputs(bundle, variant)
    ]
    return [
        zlib.crc32(b"".join(output.tobytes() for output in sample))
        for sample in zip(*outputs, strict=True)
    ]


def _answer(
    line: SerialLine, most: int, limit_s: float, progress: Callable[[str], None]
) -> tuple[_Header, list[tuple[int, int]]]:
    """Ask the board, again if an answer is damaged.

    Args:
        line: the open line.
        most: samples that are read; of an answer with more, the header alone.
        limit_s: for each line.
        progress: as above.

    Returns:
        The header, and for each sample the differing bytes and the CRC-32. Both are read whole
        before anything is compared: a damaged name is no other model.

    Raises:
        DeviceUnavailable: no answer begins in time, or three were damaged.
    """
    damages: list[_Damaged] = []
    while len(damages) < _ATTEMPTS:
        header = _header(line, limit_s)
        if header.samples > most:
            return header, []
        try:
            return header, _samples(line, header, limit_s, progress)
        except _Damaged as damage:
            damages.append(damage)
    raise DeviceUnavailable(
        f"{_ATTEMPTS} answers of the board at {line.port} were damaged, the last one so: "
        f"{damages[-1]}",
        "check the cable and --baud, and that nothing else writes to this line",
    )


def _header(line: SerialLine, limit_s: float) -> _Header:
    """Ask until an answer begins; whatever comes before it is passed over.

    A board that restarts when its port is opened loses what it is asked then.

    Raises:
        DeviceUnavailable: it does not begin in time, or has another version.
    """
    end_s = time.monotonic() + limit_s
    pause_s, ask_s = _FIRST_PAUSE_S, 0.0
    seen = ""
    while (now_s := time.monotonic()) < end_s:
        if now_s >= ask_s:
            line.write(_REQUEST)
            ask_s = now_s + pause_s
            pause_s *= 2
        text = line.line(min(ask_s, end_s))
        if text is None:
            continue
        found = _HEADER.fullmatch(text)
        if found and is_name(found[1]):
            return _Header(found[1], found[2], int(found[3]))
        other = _VERSION.fullmatch(text)
        if other and int(other[1]) != VERSION:
            older = int(other[1]) < VERSION
            raise DeviceUnavailable(
                f"the board at {line.port} answers in version {int(other[1])} of the self-check, "
                f"and this strop knows version {VERSION}",
                "export again, and flash that firmware" if older else "install a newer strop",
            )
        seen = text or seen
    seen = line.rest or seen
    if seen:
        raise DeviceUnavailable(
            f"the board at {line.port} gave no answer in {limit_s:g} s; it last wrote "
            f"{seen[:_QUOTED]!r}",
            "check --baud, and that the firmware was exported with --golden and its loop calls "
            "strop_selfcheck_poll",
        )
    raise DeviceUnavailable(
        f"the board at {line.port} wrote nothing in {limit_s:g} s",
        "check the port, and that the firmware was exported with --golden and its loop calls "
        "strop_selfcheck_poll",
    )


def _require_same(bundle: Bundle, port: str, header: _Header) -> None:
    """Refuse a board that runs another model, or has no samples or more than the bundle.

    Raises:
        ParityError: it does.
    """
    manifest = bundle.manifest
    ours = {variant.sha256 for variant in manifest.variants if variant.format == "plan"}
    mend = "flash the firmware that was exported with this bundle"
    if header.model != manifest.name or header.plan_sha256 not in ours:
        model = header.model
        raise ParityError(
            f"the board at {port} runs {model}, plan {header.plan_sha256[:16]}, which is no plan "
            f"of {manifest.name}-{manifest.target}",
            mend,
        )
    if not header.samples:
        raise ParityError(
            f"the firmware of the board at {port} has no golden samples, so it proves nothing",
            "export with --golden, and flash that firmware",
        )
    if header.samples > manifest.golden.samples:
        raise ParityError(
            f"the firmware of the board at {port} has {header.samples} golden samples, and the "
            f"bundle {manifest.golden.samples}",
            mend,
        )


def _samples(
    line: SerialLine, header: _Header, limit_s: float, progress: Callable[[str], None]
) -> list[tuple[int, int]]:
    """Read the rest of an answer: each sample's differing bytes and CRC-32.

    Raises:
        _Damaged: a line is missing or is no line of an answer, or the CRC-32 of all is wrong.
    """
    text = f"strop-check {VERSION} {header.model} {header.plan_sha256} {header.samples}\n"
    crc = zlib.crc32(text.encode("ascii"))
    said = []
    for number in range(header.samples):
        progress(f"sample {number + 1} of {header.samples}, on the board at {line.port}")
        text = _next(line, limit_s)
        found = _SAMPLE.fullmatch(text)
        if not found or int(found[1]) != number:
            raise _Damaged(f"{text[:_QUOTED]!r} instead of sample {number}")
        said.append((int(found[2]), int(found[3], 16)))
        crc = zlib.crc32(f"{text}\n".encode("ascii"), crc)
    text = _next(line, limit_s)
    found = _END.fullmatch(text)
    if not found:
        raise _Damaged(f"{text[:_QUOTED]!r} instead of its end")
    if int(found[1], 16) != crc:
        raise _Damaged("the CRC-32 of its lines is wrong")
    return said


def _next(line: SerialLine, limit_s: float) -> str:
    text = line.line(time.monotonic() + limit_s)
    if text is None:
        raise _Damaged(f"no line came in {limit_s:g} s")
    return text
