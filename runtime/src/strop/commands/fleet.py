"""What the commands for fleets have in common: the repository that they name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from strop.errors import InputError, StropError, printable

if TYPE_CHECKING:
    from strop.fleet.artifact import Release
    from strop.fleet.registry import Reference, Registry
    from strop.fleet.tuf_files import Store


@contextlib.contextmanager
def the_extra() -> Iterator[None]:
    """Import, within a `with`, what the extra [fleet] brings.

    Raises:
        StropError: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise StropError(
            f"this command needs {error.name}", "install the extra [fleet] of the strop wheel"
        ) from None


def open_repository(text: str) -> Registry:
    """Return the repository that a command names.

    Args:
        text: REGISTRY/REPOSITORY, without a tag.

    Raises:
        InputError: it is not that.
        StropError: the extra [fleet] is not installed.
    """
    reference, registry = open_reference(text)
    if reference.tag or reference.digest:
        raise InputError(
            f"{printable(text)} names one bundle", "name the repository, without a tag or digest"
        )
    return registry


def open_reference(text: str) -> tuple[Reference, Registry]:
    """Return what a command names in a registry, and its repository.

    Args:
        text: REGISTRY/REPOSITORY[:TAG][@DIGEST].

    Raises:
        InputError: it is not that.
        StropError: the extra [fleet] is not installed.
    """
    with the_extra():
        import strop.fleet.channels  # noqa: F401  all of the extra is here, before any work
        from strop.fleet.registry import Registry, parse
    reference = parse(text)
    return reference, Registry(reference)


def release_in_channel(registry: Store, root_file: str, name: str) -> Release:
    """Return the release that a channel runs, verified.

    What was seen is remembered for the user, so that older channels are refused the next time.

    Args:
        registry: the repository.
        root_file: the path of a root.json.
        name: the channel.

    Raises:
        ChannelError: the channels cannot be verified, or the channel is not there or runs nothing.
        RegistryError: the registry cannot be reached.
    """
    from strop.fleet.channels import Channels, read_root
    from strop.fleet.promotion import runs_of
    from strop.fleet.seen import folder_for

    root = read_root(root_file)
    channels = Channels(registry, folder_for(registry.place, root), root)
    return runs_of(channels, channels.refresh(), name)
