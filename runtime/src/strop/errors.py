"""Everything Strop raises on purpose.

StropError
├── BundleError          the file is missing, damaged, tampered with or of another schema
├── EngineUnavailable    the engine asked for is unknown, absent, broken or not in the bundle
├── DeviceUnavailable    the device asked for is not here
├── InputError           an argument or an array is not what the model takes
├── InstallError         a folder of installed bundles cannot become what was asked for
└── ParityError          the model ran, and its answers are not the ones proven at export

Each message names the thing, what was found, and the mend. What Strop can do without is a
StropWarning instead.
"""

from __future__ import annotations


class StropError(Exception):
    """Base of every error Strop raises on purpose."""


class BundleError(StropError):
    """The bundle cannot be read or trusted.

    It is missing, damaged, tampered with, of an unsupported schema, or, where trust is configured,
    not signed by a trusted key.
    """


class EngineUnavailable(StropError):
    """The engine asked for is unknown, not installed, broken, or has no variant in the bundle."""


class DeviceUnavailable(StropError):
    """The device asked for is not here, or the engine cannot use it."""


class InputError(StropError, ValueError):
    """An argument is not one of the choices, or an array is not what the model takes."""


class InstallError(StropError):
    """What was asked of a folder of installed bundles is refused, or the disk refuses it."""


class ParityError(StropError):
    """The model ran, and its answers differ from those proven at export."""


class StropWarning(RuntimeWarning):
    """Strop goes on without something that it cannot use: it is ignored, and here is why."""


def root_cause(error: BaseException) -> str:
    """The error that others were raised from, by its name and in its own words."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def one_line(text: str) -> str:
    """What engines say may run over several lines, and quote a file; a message of ours is one line.

    Nothing is left in it that a terminal would obey.
    """
    return "".join(char if char.isprintable() else " " for char in text)
