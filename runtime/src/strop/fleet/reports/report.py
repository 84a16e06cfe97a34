"""A device's report: one line of JSON, signed by the device's key.

    {"key": "ed25519:<hex>", "report": {"device": "camera-7", ..}, "signature": "<hex>"}

A line has exactly one way to be written, so that what was signed and what is read cannot differ.
Whoever carries lines, a broker or a file server, is trusted with nothing: it can withhold or repeat
them, and no more (docs/decisions/0054-rollouts.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from strop.bundle.counts import Counts, read_counts
from strop.bundle.digest import is_sha256
from strop.bundle.manifest import plain
from strop.bundle.records import decode, read
from strop.bundle.signing import no_library, public_half
from strop.bundle.structs import Struct
from strop.errors import BundleError, InputError, ReportError, StropError, one_line
from strop.versions import install_line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCHEMA = 1
MAX_BYTES = 32 * 2**10  # of a line, with its newline: one of ours has some 900, and the counts

WAITING = "waiting"  # not decided: nothing pulled yet, a download that fails, a trial under way
HEALTHY = "healthy"  # it is current, and the app is healthy with it
REFUSED = "refused"  # its bytes are whole, and were refused before they were current
ROLLED_BACK = "rolled back"  # it was current, and the app was not healthy with it
STATES = (WAITING, HEALTHY, REFUSED, ROLLED_BACK)
FAILED = (REFUSED, ROLLED_BACK)  # it is the release's failure

DEVICE_HINT = "write 1 to 64 letters, digits, dots, dashes or underscores: camera-7"
_DEVICE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_LONGEST = 300  # characters of a problem
_MOST_TEXT = 100  # characters of a time, a channel, a version
_MOST_NUMBER = 2**63  # whole numbers are below it

# A signature of the same key over something else does not count for a report.
_CONTEXT = b"strop report, schema 1\n"


class Unlisted(ReportError):
    """The report's key is not listed."""


class Forged(ReportError):
    """The report is not signed by the device that it names."""


class Report(Struct):
    """What a device says about the release that its channel wants it to run.

    Attributes:
        schema: 1.
        device: the device's name.
        sequence: grows with each report of a device, so that an older one does not count. A device
            that has lost it gets a new key.
        time: when the report was made, by the device's clock, in UTC. Nothing is decided by it.
        channel: the channel that the device follows.
        wanted: the bundle that it is to run: the SHA-256 of its bytes, in hexadecimal. None: the
            channel has none for it.
        current: the bundle that is installed; None: none is.
        model_version: that of the installed bundle.
        state: of `wanted`. A download that fails is "waiting", with the problem; it is not the
            release's failure. "refused" is one whose bytes the device has, and refused: they do not
            verify, or the self-check fails. "rolled back" was current, and the app was not healthy.
        healthy_for_s: how long the app has been healthy with it, in seconds; 0 unless healthy.
        problem: one line; "" if there is none.
        received_bytes: what was downloaded for this release.
        by: how: "members", "patch", or "".
        strop: the version of strop on the device.
        counts: what the current bundle's model has counted on the device, for `strop drift`; None:
            nothing. A line without counts has no such field.
    """

    schema: int
    device: str
    sequence: int
    time: str
    channel: str
    wanted: str | None
    current: str | None
    model_version: int | None
    state: str
    healthy_for_s: float
    problem: str
    received_bytes: int
    by: str
    strop: str
    counts: Counts | None = None

    OPTIONAL = ("counts",)


class _Signed(NamedTuple):
    """A line's fields."""

    key: str
    report: Report
    signature: str

    def to_line(self) -> bytes:
        return _json(self) + b"\n"


def is_device(name: str) -> bool:
    """Tell whether a name is a device's.

    It has 1 to 64 letters, digits, dots, dashes or underscores, with a letter or a digit first and
    last: brokers have it as a level of a topic.
    """
    return _DEVICE.fullmatch(name) is not None


def check_device(name: str) -> str:
    """Return a device's name if it is one.

    Raises:
        InputError: it is not.
    """
    if not is_device(name):
        raise InputError(f"{name!r} is not a device's name", DEVICE_HINT)
    return name


def sign(report: Report, key: Ed25519PrivateKey) -> bytes:
    """Make a report's line, in ASCII, with its newline; the same report gives the same bytes.

    Args:
        report: what is reported. Its problem is put on one line, and cut at 300 characters.
        key: the device's private key.

    Raises:
        InputError: a field has a value that readers refuse.
    """
    report = report._replace(
        problem=one_line(report.problem)[:_LONGEST], healthy_for_s=float(report.healthy_for_s)
    )
    signature = key.sign(_CONTEXT + _json(report)).hex()
    line = _Signed(public_half(key).text, report, signature).to_line()
    try:
        _parse(line)
    except ReportError as error:
        raise InputError(f"this cannot be reported: {error.problem}") from None
    return line


def read_line(line: bytes, devices: Mapping[str, str]) -> Report:
    """Read a report, and verify that the device it names has signed it.

    Args:
        line: the line, with or without its newline.
        devices: names by public key, as text: those whose reports count.

    Raises:
        Unlisted: its key is not listed.
        Forged: its key is another device's, or the signature is wrong.
        ReportError: the line is too long or malformed.
        StropError: the library of signatures is absent or broken.
    """
    signed = _parse(line)
    listed = devices.get(signed.key)
    if listed is None:
        raise Unlisted("a report is signed by a key that is not listed")
    if listed != signed.report.device:
        raise Forged(f"a report of {signed.report.device} is signed by {listed}")
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except Exception as error:
        raise StropError(
            f"reports cannot be verified: {no_library(error)}", install_line("fleet")
        ) from error
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed.key.partition(":")[2]))
    try:
        key.verify(bytes.fromhex(signed.signature), _CONTEXT + _json(signed.report))
    except InvalidSignature:
        raise Forged(f"a report of {listed} is not signed by it") from None
    return signed.report


def newest(reports: Iterable[Report]) -> dict[str, Report]:
    """Return the newest report of each device, by name.

    Two different reports of one sequence come from two devices with one key, or from one that lost
    its state. The one that speaks against the release counts, in whatever order they came.
    """
    found: dict[str, Report] = {}
    for report in reports:
        held = found.get(report.device)
        if held is None or _rank(report) > _rank(held):
            found[report.device] = report
    return found


def _rank(report: Report) -> tuple[int, int, bytes]:
    worst = (HEALTHY, WAITING, ROLLED_BACK, REFUSED).index(report.state)
    return report.sequence, worst, _json(report)


def _parse(line: bytes) -> _Signed:
    """Read a line's fields; nothing is verified.

    Raises:
        ReportError: it is too long, or not written as `sign` writes it.
    """
    if len(line) > MAX_BYTES:
        raise ReportError(f"a report has more than {MAX_BYTES} bytes")
    try:
        content = decode(line, "the report")
        inner = content.get("report") if isinstance(content, dict) else None
        schema = inner.get("schema") if isinstance(inner, dict) else None
        if schema != SCHEMA or isinstance(schema, bool):
            raise ReportError(
                f"a report has schema {schema!r}; this strop reads {SCHEMA}",
                "install a newer strop wheel here",
            )
        signed: _Signed = read(_Signed, content, "report")
    except BundleError as error:
        raise ReportError(error.problem) from None
    problem = _problem(signed.report)
    if not problem and not _SIGNATURE.fullmatch(signed.signature):
        problem = "its signature is not 128 hexadecimal digits"
    if not problem and signed.to_line().rstrip(b"\n") != line.removesuffix(b"\n"):
        problem = "it is not written as strop writes one"
    if problem:
        raise ReportError(f"a report cannot be used: {problem}")
    return signed


def _problem(report: Report) -> str:
    """Say what is wrong with the values of a report; "" if nothing is."""
    if not is_device(report.device):
        return "it names no device"
    if report.state not in STATES:
        return "its state is none that devices have"
    numbers = (report.sequence, report.received_bytes, report.model_version or 0)
    if not all(0 <= number < _MOST_NUMBER for number in numbers):
        return "a number in it is out of range"
    if not all(bundle is None or is_sha256(bundle) for bundle in (report.wanted, report.current)):
        return "a bundle is not named by its SHA-256"
    if report.healthy_for_s < 0 or (report.healthy_for_s and report.state != HEALTHY):
        return "it says how long it has been healthy, and is not"
    if report.counts and (problem := _problem_of_counts(report.counts)):
        return problem
    if report.state == HEALTHY and (report.wanted is None or report.current != report.wanted):
        return "it is healthy with another bundle than the one it is to run"
    texts = (report.time, report.channel, report.by, report.strop)
    if len(report.problem) > _LONGEST or any(len(text) > _MOST_TEXT for text in texts):
        return "a text in it is too long"
    return ""


def _problem_of_counts(counts: Counts) -> str:
    try:
        read_counts(counts.to_json())
    except InputError as error:
        return error.problem
    return ""


def _json(value: Report | _Signed) -> bytes:
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":")).encode("ascii")
