"""What can go wrong that is not a bug here.

TrainError
 ├── UsageError      the command line asks for something that cannot be
 ├── RecipeError     a recipe that is unknown, malformed or out of range
 ├── DataError       MNIST could not be had, or is not the MNIST it should be
 ├── UnfinishedRun   an interrupted training is in the way, or cannot be continued
 └── OutputError     the disk is full, the folder is not ours, nothing could be written

Each message is one readable line: what was asked for, what is there, and the command that mends it.
"""


class TrainError(Exception):
    """Base of everything a user can cause and mend; the command line exits with 2 on it."""


class UsageError(TrainError):
    """The command line asks for something that cannot be."""


class RecipeError(TrainError):
    """A recipe that is unknown, malformed, or holds a value out of range."""


class DataError(TrainError):
    """MNIST could not be fetched, or its bytes are not the original ones."""


class UnfinishedRun(TrainError):
    """An interrupted training is in the way, or is not the one asked to be continued."""


class OutputError(TrainError):
    """Something could not be written; whatever was there before is untouched."""
