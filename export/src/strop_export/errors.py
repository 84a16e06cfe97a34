"""The errors of the export side, as one tree below `strop.StropError`.

    ExportError
    ├── SourceError        the model, its samples or its labels cannot be read or do not fit
    ├── TargetError        no such target, or its TOML file is not valid
    ├── EngineMissing      an engine that a target must be proven on is not on this workstation
    ├── DeviceMissing      a GPU that a file could also be proven on is not on this workstation
    ├── EngineTooOld       an engine's release, as a target's devices get it, cannot run a file
    ├── TargetRefused      a target that was asked for has no bundle; in result.py
    ├── EvaluationError    samples, or the record of an evaluation, cannot be read or do not fit
    ├── DoesNotFit         firmware needs more flash or RAM than --max-flash, --max-ram allow
    ├── ProofError         a variant is not the same model, or engines disagree about it
    └── ConversionError    the model cannot be written in the format that was asked for
        ├── CalibrationError   because the calibration samples do not fit it
        ├── NothingToEqualize  because no two layers have scales to balance
        └── UnsupportedLayer   because of a layer that the format cannot hold

Each message says what was asked for, what is there, and how to fix it. Programs read the fields
`kind`, `problem` and `mend`. A command line catches `StropError`, prints one line and exits with 2.
"""

from typing import Self

from strop.errors import StropError, one_line

_MOST_CHARACTERS = 300  # of another's error


class ExportError(StropError):
    """Any error that stops an export."""

    kind = "export"

    def without(self, text: str) -> Self:
        """Return the same error without a text, such as the folder of temporary files."""
        made, (problem, mend, *own) = self.__reduce__()
        again: Self = made(problem.replace(text, ""), mend.replace(text, ""), *own)
        return again


class SourceError(ExportError):
    """The model, its samples or its labels cannot be read or do not fit each other."""

    kind = "source"


class TargetError(ExportError):
    """There is no such target, or its description is not valid."""

    kind = "target"


class EngineMissing(ExportError):
    """An engine that a target must be proven on is missing on this workstation."""

    kind = "engine_missing"


class DeviceMissing(ExportError):
    """A GPU that a file could also be proven on is missing on this workstation."""

    kind = "device_missing"


class EngineTooOld(ExportError):
    """A target's devices get a release of an engine that cannot run one of its files."""

    kind = "engine_too_old"


class EvaluationError(ExportError):
    """Samples, or the record of an evaluation, cannot be read or do not fit the bundle."""

    kind = "evaluation"


class DoesNotFit(ExportError):
    """The firmware of a model needs more flash or RAM than was allowed."""

    kind = "memory"


class ProofError(ExportError):
    """A variant is not Keras's model within its tolerance, or engines disagree about it."""

    kind = "proof"


class ConversionError(ExportError):
    """The model cannot be written in the format and precision asked for."""

    kind = "conversion"


class CalibrationError(ConversionError):
    """The calibration samples do not fit the model, or are not valid samples at all."""

    kind = "calibration"


class NothingToEqualize(ConversionError):
    """No two neighbouring layers have scales that can be balanced."""

    kind = "equalization"


class UnsupportedLayer(ConversionError):
    """The model has a layer that this format cannot hold; another format may hold it."""

    kind = "layer"


def install_line(extra: str) -> str:
    """Return the command that installs an extra of strop-export, where that is installed.

    Args:
        extra: the extra: "evaluate", "ray".
    """
    return f"pip install 'strop-export[{extra}]'"


def reason(error: BaseException) -> str:
    """Return an error of a library, or of the user's code, as one short line."""
    return one_line(f"{type(error).__name__}: {error}")[:_MOST_CHARACTERS]
