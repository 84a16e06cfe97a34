"""What the export side refuses, as one tree.

    ExportError
    ├── SourceError        the model, its samples or its labels cannot be read or do not fit
    ├── TargetError        no such target, or its TOML says what cannot be
    ├── EngineMissing      an engine that a target must be proven on cannot be had here
    ├── DeviceMissing      ... or the GPU that its file could be proven on, too
    ├── EngineTooOld       an engine's release, as a target's devices get it, cannot run a file
    ├── ProofError         a variant is not the same model, or engines disagree about it
    └── ConversionError    the model cannot be written in the format that was asked for
        ├── CalibrationError   ... because of the samples it was to be calibrated with
        └── UnsupportedLayer   ... because of a layer that format cannot hold

Each message says what was asked for, what is there, and the mend. A command line catches
:class:`ExportError`, prints the message as one line and exits with 2.
"""


class ExportError(Exception):
    """Anything that stops an export; the message is fit to be shown to a person."""


class SourceError(ExportError):
    """The model, its samples or its labels cannot be read or do not fit each other."""


class TargetError(ExportError):
    """There is no such target, or its description says what cannot be."""


class EngineMissing(ExportError):
    """An engine that a target must be proven on cannot be had on this workstation."""


class DeviceMissing(ExportError):
    """A GPU that a file could be proven on, too, cannot be had on this workstation."""


class EngineTooOld(ExportError):
    """A target's devices get a release of an engine that cannot run one of its files."""


class ProofError(ExportError):
    """A variant is not the same model as Keras's within its tolerance, or engines disagree."""


class ConversionError(ExportError):
    """The model cannot be written in the format and precision asked for."""


class CalibrationError(ConversionError):
    """The calibration samples do not fit the model, or are no samples at all."""


class UnsupportedLayer(ConversionError):
    """The model has a layer that this format cannot hold; other formats may."""
