"""Everything Strop raises on purpose.

StropError
├── BundleError          the file is missing, damaged, tampered with or of another schema
├── EngineUnavailable    the engine asked for is unknown, absent, broken or not in the bundle
├── DeviceUnavailable    the device asked for is not here, or does not answer
├── InputError           an argument or an array is not what the model takes
│   └── BlankPicture     the picture shows nothing
├── InstallError         a folder of installed bundles cannot become what was asked for
├── RegistryError        a registry cannot be reached, refuses, or gives other bytes than it must
├── ChannelError         signed channels are expired, older than those seen, or wrongly signed
├── ReportError          a device's report cannot be sent or read, or the device did not sign it
└── ParityError          the model ran, and its answers are not the ones proven at export; or a
                         board runs another model

Each message names the thing, what was found, and the mend. Programs read the fields instead: `kind`
is the kind of error, `problem` says what was found, and `mend` says what to do about it. Where
Strop can do without something, it issues a StropWarning instead.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an app waits for every import
    from types import FrameType
    from typing import Any, Self

_LONGEST = 2000  # characters of a problem or a mend: it may quote a whole file


class StropError(Exception):
    """Base of every error that Strop raises on purpose.

    Attributes:
        kind: the kind of error, for programs: one word for each class.
        problem: what was asked for, and what was found.
        mend: what to do about it, a command line if there is one; "" if nothing is known to help.
            The message ends with it.
    """

    kind = "error"

    def __init__(self, problem: str = "", mend: str = "") -> None:
        self.problem = _short(printable(problem))  # they quote other people's text
        self.mend = _short(printable(mend))
        super().__init__(message(self.problem, self.mend))

    def within(self, place: str) -> Self:
        """Return the same error with a place named before the problem.

        Args:
            place: the larger thing in which the error happened, such as "bundle x.strop refused".
        """
        made, (problem, *own) = self.__reduce__()  # a subclass may have more than two fields
        again: Self = made(f"{place}: {problem}", *own)
        return again

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problem, self.mend)


class BundleError(StropError):
    """The bundle cannot be read or trusted.

    It is missing, damaged, tampered with, of an unsupported schema, or, where trust is configured,
    not signed by a trusted key.
    """

    kind = "bundle"


class EngineUnavailable(StropError):
    """The engine asked for is unknown, not installed, broken, or has no variant in the bundle."""

    kind = "engine"


class DeviceUnavailable(StropError):
    """The device asked for is not here, the engine cannot use it, or a board does not answer."""

    kind = "device"


class InputError(StropError, ValueError):
    """An argument is not one of the choices, or an array is not what the model takes."""

    kind = "input"


class BlankPicture(InputError):
    """The picture shows nothing that the manifest's steps can find."""

    kind = "blank"


class InstallError(StropError):
    """A folder of installed bundles cannot be changed as asked, or its disk refuses the change."""

    kind = "install"


class RegistryError(StropError):
    """A registry cannot be reached, refuses, or gives other bytes than it must."""

    kind = "registry"


class ChannelError(StropError):
    """Signed channels are expired, older than those seen, wrongly signed, or lack this channel."""

    kind = "channel"


class ReportError(StropError):
    """A device's report cannot be sent or read, is malformed, or is not signed by the device."""

    kind = "report"


class ParityError(StropError):
    """The model's answers differ from those proven at export, or a board runs another model."""

    kind = "parity"


class StropWarning(RuntimeWarning):
    """Strop ignores something that it cannot use, and continues; the message says why."""


def message(problem: str, mend: str) -> str:
    """Write a problem and its mend as people read them; either may be ""."""
    return "; ".join(filter(None, (problem, mend)))


def either(*mends: str) -> str:
    """Join mends of which any one helps; those that are "" are left out."""
    return ", or ".join(filter(None, mends))


def warn(message: str, place: tuple[str, int] | None = None) -> None:
    """Issue a StropWarning that points at a line outside of strop.

    Args:
        message: the warning, one line.
        place: the line, as `caller` gives it; None: the line that called strop.
    """
    import warnings

    if place:
        warnings.warn_explicit(message, StropWarning, *place)
    else:
        warnings.warn(message, StropWarning, stacklevel=_depth() + 1)


def caller() -> tuple[str, int]:
    """Return the file and the line outside of strop that called it, for a later `warn`."""
    frame = sys._getframe(_depth())
    return frame.f_code.co_filename, frame.f_lineno


def _depth() -> int:
    """Count the frames of strop between this function's caller and the program that called."""
    depth, frame = 0, sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        depth, frame = depth + 1, frame.f_back
    return depth


def _is_ours(module: str) -> bool:
    return module == "strop" or module.startswith("strop.")


def root_cause(error: BaseException) -> str:
    """Return the class name and the message, on one line, of the error that others came from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(f"{type(error).__name__}: {error}")


def let_handlers_raise(error: BaseException | None, below: FrameType) -> None:
    """Raise the exception of an app's signal handler, if there is one behind an error.

    A handler, of a deadline say, may interrupt any code, and that code may take its exception for
    one of its own. A handler is known by its code.

    Args:
        error: what was caught.
        below: the interrupted frame, or one that called it.

    Raises:
        BaseException: what the handler raised, unchanged.
    """
    handlers = _handlers()
    while error is not None:
        frames = []
        trace = error.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame)
            trace = trace.tb_next
        if any(frame.f_code in handlers for frame in frames) and any(
            _is_within(frame, below) for frame in frames
        ):
            raise error from error.__cause__
        error = error.__context__


def _handlers() -> set[Any]:
    """Return the code of the signal handlers of this process.

    Their frames are not searched for arguments: reading `f_locals` would keep all of them, an open
    session of a GPU for example, until the garbage collector runs.
    """
    import _signal  # type: ignore[import-not-found]  # signal takes a millisecond to import

    codes = set()
    for number in range(1, _signal.NSIG):
        try:
            handler = _signal.getsignal(number)
        except ValueError:  # Windows has few
            continue
        handler = getattr(handler, "func", handler)  # of functools.partial
        call = handler if hasattr(handler, "__code__") else getattr(handler, "__call__", None)  # noqa: B004
        codes.add(getattr(call, "__code__", None))
    return codes - {None}


def _is_within(frame: FrameType | None, below: FrameType) -> bool:
    """Tell whether a frame is another, or was called from there; a generator's does not say."""
    while frame is not None and frame is not below:
        frame = frame.f_back
    return frame is not None


def one_line(text: str) -> str:
    """Return what another program said, on one line: a space for each run of white space."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    r"""Return other people's text on one line, with nothing in it that a terminal obeys.

    Letters of any language stay. Control and format characters, line separators and halves of
    surrogate pairs become escapes, such as \x1b and \u202e.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _short(text: str) -> str:
    """Return a text as it is, or the start and the end of one that is too long to read."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[: half - 2]} .. {text[2 - half :]}"
