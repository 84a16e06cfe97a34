"""The error of the lab."""


class LabError(Exception):
    """A board cannot be built or used here; the message says what was asked and what to do."""
