"""What a test does when something it needs is not there."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def unavailable(reason: str, mend: str) -> NoReturn:
    """Skip, saying why and what would provide it; fail where everything installable must be."""
    message = f"{reason}; provide it with: {mend}"
    if os.environ.get("STROP_NO_SKIP") == "1":
        pytest.fail(f"{message} (STROP_NO_SKIP=1 lets nothing skip)", pytrace=False)
    pytest.skip(message)
