"""The settings that `strop serve` makes of its options."""

from __future__ import annotations

from typing import Any

import pytest

from strop.commands import serve
from strop.commands.arguments import parser
from strop.device import logs
from strop.device.cpu import usable_cores
from strop.serve import server


@pytest.mark.parametrize(
    ("options", "calls"), [([], usable_cores()), (["--threads", str(usable_cores() + 1)], 1)]
)
def test_calls_and_their_threads_share_the_cores(
    options: list[str], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr(logs, "start", lambda: None)  # it takes the log of the whole process
    monkeypatch.setattr(server, "serve", lambda *given: made.append(given))
    assert serve.main(parser().parse_args(["serve", "x.strop", *options])) == 0
    (_, _, settings, _) = made[0]
    assert settings.threads == calls
