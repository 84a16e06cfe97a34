"""The kinds of companions: how each is found here, and what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from strop_export.proof import firmware, web
from strop_export.proof.companion import Companion
from strop_export.targets import FIRMWARE, PAGE


class Kind(NamedTuple):
    """A kind of companion.

    Attributes:
        title: what it is.
        runs: where its plans run, for messages.
        find: finds the tools that it needs; raises EngineMissing where there are none.
        digest: returns a SHA-256 of all that it is made from.
    """

    title: str
    runs: str
    find: Callable[[], Companion]
    digest: Callable[[], str]


KINDS: Final[Mapping[str, Kind]] = {
    PAGE: Kind("the module for pages", "under Node", web.find_page, web.digest),
    FIRMWARE: Kind("the compiler of firmware", "as C", firmware.find_firmware, firmware.digest),
}
