"""What the lab raises on purpose."""


class LabError(Exception):
    """A board cannot be had or used here; the message says what was asked, and the mend."""
