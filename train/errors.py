"""The errors of training, which users cause and can fix.

TrainError
 ├── UsageError      the command line asks for something impossible
 ├── RecipeError     a recipe is unknown, malformed or out of range
 ├── DataError       MNIST could not be fetched, or its bytes are not the original ones
 ├── UnfinishedRun   an interrupted training is in the way, or cannot be continued
 └── OutputError     the disk is full, the folder is not ours, nothing could be written

Each message is one line: what was asked for, what was found, and the command that fixes it.
"""


class TrainError(Exception):
    """The base of all errors that users can fix; the command line exits with 2 on it."""


class UsageError(TrainError):
    """The command line asks for something impossible."""


class RecipeError(TrainError):
    """A recipe is unknown, malformed, or has a value out of range."""


class DataError(TrainError):
    """MNIST could not be fetched, or its bytes are not the original ones."""


class UnfinishedRun(TrainError):
    """An interrupted training is in the way, or is not the one to be continued."""


class OutputError(TrainError):
    """Something could not be written; earlier files are untouched."""
