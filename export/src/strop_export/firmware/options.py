"""The options of a target's firmware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from strop_export.errors import TargetError


@dataclass(frozen=True)
class Options:
    """The limits of a target's firmware, and its parts besides the model; None: as by default.

    Attributes:
        max_flash_bytes: what the model may need of each CPU's flash; by default any number.
        max_ram_bytes: what it may need of its RAM; by default any number.
        golden: how many golden samples are compiled in; by default 0.

    Raises:
        TargetError: one of them is not a number, or is too small.
    """

    max_flash_bytes: int | None = None
    max_ram_bytes: int | None = None
    golden: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.given().items():
            least = 0 if name == "golden" else 1
            if type(value) is not int or value < least:
                raise TargetError(f"{name} is {value!r}", f"give an integer, {least} or more")

    @classmethod
    def read(cls, table: Any) -> Self:
        """Read a table of a TOML file.

        Raises:
            TargetError: it is no table, or one of its fields is not known or not valid.
        """
        if not isinstance(table, Mapping):
            raise TargetError("firmware must be a table", "write [firmware]")
        if unknown := table.keys() - cls.__dataclass_fields__.keys():
            raise TargetError(
                f"unknown field of [firmware]: {', '.join(sorted(unknown))}",
                f"there are {', '.join(cls.__dataclass_fields__)}",
            )
        return cls(**table)

    def given(self) -> dict[str, int]:
        """Return those that are not as by default, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def over(self, other: Options) -> Options:
        """Return these, and those of another where these are as by default."""
        return replace(other, **self.given())
