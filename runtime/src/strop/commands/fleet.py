"""What the commands for fleets have in common: the repository that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strop.errors import InputError, StropError, printable

if TYPE_CHECKING:
    from strop.fleet.registry import Registry


def open_repository(text: str) -> tuple[str, Registry]:
    """Return a repository's name, for messages, and the repository.

    Args:
        text: REGISTRY/REPOSITORY, without a tag.

    Raises:
        InputError: it is not that.
        StropError: the extra [fleet] is not installed.
    """
    try:
        import tuf.ngclient  # noqa: F401

        from strop.fleet.registry import Registry, parse
    except ImportError as error:
        raise StropError(
            f"this command needs {error.name}", "install the extra [fleet] of the strop wheel"
        ) from None
    reference = parse(text)
    if reference.tag or reference.digest:
        raise InputError(
            f"{printable(text)} names one bundle", "name the repository, without a tag or digest"
        )
    return f"{reference.registry}/{reference.repository}", Registry(reference)
