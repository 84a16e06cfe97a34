"""The errors of the export side, as one tree.

    ExportError
    ├── SourceError        the model, its samples or its labels cannot be read or do not fit
    ├── TargetError        no such target, or its TOML file is not valid
    ├── EngineMissing      an engine that a target must be proven on is not on this workstation
    ├── DeviceMissing      a GPU that a file could also be proven on is not on this workstation
    ├── EngineTooOld       an engine's release, as a target's devices get it, cannot run a file
    ├── ProofError         a variant is not the same model, or engines disagree about it
    └── ConversionError    the model cannot be written in the format that was asked for
        ├── CalibrationError   because the calibration samples do not fit it
        ├── NothingToEqualize  because no two layers have scales to balance
        └── UnsupportedLayer   because of a layer that the format cannot hold

Each message says what was asked for, what is there, and how to fix it. A command line catches
`ExportError`, prints the message as one line and exits with 2.
"""


class ExportError(Exception):
    """Any error that stops an export; its message is written for people."""

    def __init__(self, problem: str = "", mend: str = "") -> None:
        self.problem, self.mend = problem, mend
        super().__init__("; ".join(filter(None, (problem, mend))))

    def without(self, text: str) -> "ExportError":
        return type(self)(self.problem.replace(text, ""), self.mend.replace(text, ""))


class TargetRefused(ExportError):
    kind = "refused"

    def __init__(self, problem: str = "", mend: str = "", result: object = None) -> None:
        self.result = result
        super().__init__(problem, mend)


class SourceError(ExportError):
    """The model, its samples or its labels cannot be read or do not fit each other."""


class TargetError(ExportError):
    """There is no such target, or its description is not valid."""


class EngineMissing(ExportError):
    """An engine that a target must be proven on is missing on this workstation."""


class DeviceMissing(ExportError):
    """A GPU that a file could also be proven on is missing on this workstation."""


class EngineTooOld(ExportError):
    """A target's devices get a release of an engine that cannot run one of its files."""


class ProofError(ExportError):
    """A variant is not Keras's model within its tolerance, or engines disagree about it."""


class ConversionError(ExportError):
    """The model cannot be written in the format and precision asked for."""


class CalibrationError(ConversionError):
    """The calibration samples do not fit the model, or are not valid samples at all."""


class NothingToEqualize(ConversionError):
    """No two neighbouring layers have scales that can be balanced."""


class UnsupportedLayer(ConversionError):
    """The model has a layer that this format cannot hold; another format may hold it."""
