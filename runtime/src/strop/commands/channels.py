"""strop channels: show the signed channels of a repository; make and renew them, replace a key."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from strop.commands.fleet import open_repository
from strop.commands.terminal import print_json, print_line, print_table, telling
from strop.errors import InputError, warn

if TYPE_CHECKING:
    from strop.fleet.artifact import Release
    from strop.fleet.channel import Channel
    from strop.fleet.channels import Channels, State

_WARN_BELOW = 1 / 3  # of a file's time


def main(arguments: argparse.Namespace) -> int:
    """Show or change what a repository has, verified as a device does."""
    registry = open_repository(arguments.repository)
    place = registry.place
    from strop.fleet import publishing, seen
    from strop.fleet.channels import Channels, read_root

    keys, days = arguments.keys, arguments.days
    signing = arguments.create or arguments.renew or arguments.replace_key
    if bool(keys) == bool(arguments.root) or (signing and not keys):
        raise InputError(
            "the keys to verify with are not named, or twice",
            "--root FILE to look; --keys DIR to look and to sign",
        )
    if days and not (arguments.create or arguments.renew):
        raise InputError("--days is for signing", "give it with --create or --renew")
    if arguments.accept_older and not arguments.renew:
        raise InputError("--accept-older is for signing", "give it with --renew")
    if arguments.create:
        publishing.create(registry, keys, days=days)
        with telling(f"{place} has channels"):
            if arguments.json:
                print_json({"repository": place, "keys": keys, "root": f"{keys}/root.json"})
            else:
                print_line(f"{keys}/root.json: set devices up with it; it is public")
                print_line(f"{keys}/root: the private key of all keys: keep it offline")
                print_line(f"{keys}/targets: the private key to promote and roll out with")
                print_line(f"{keys}/online: the private key for --renew, by cron or CI")
        return 0
    if arguments.renew or arguments.replace_key:
        if arguments.renew:
            done = publishing.renew(registry, keys, days=days, accept_older=arguments.accept_older)
        else:
            done = publishing.replace_key(registry, keys, arguments.replace_key)
        with telling(f"the channels in {place} are signed again"):
            if arguments.json:
                print_json(
                    {
                        "repository": place,
                        "signed": list(done.roles),
                        "replaced": arguments.replace_key,
                        "roles": _roles(done.state),
                    }
                )
            else:
                if arguments.replace_key:
                    print_line(f"the key {arguments.replace_key} is a new one; devices follow")
                print_line(f"signed again: {', '.join(done.roles) or 'nothing more'}")
                _print_roles(done.state)
        return 0
    if keys:
        channels, state = publishing.look(registry, keys)
    else:
        root = read_root(arguments.root)
        channels = Channels(registry, seen.folder_for(place, root), root)
        state = channels.refresh()
    _show(arguments, place, channels, state)
    return 0


def _show(arguments: argparse.Namespace, place: str, channels: Channels, state: State) -> None:
    found = [channels.channel(state, name) for name in state.names]
    if arguments.json:
        from strop.bundle.manifest import plain

        print_json({"repository": place, "channels": plain(found), "roles": _roles(state)})
        return
    if found:
        print_table([_row(channel) for channel in found], ("channel", "runs", "next", "stopped"))
    else:
        print_line(f"{place} has no channel yet: strop promote makes one")
    print_line()
    _print_roles(state)


def _row(channel: Channel) -> tuple[str, str, str, str]:
    coming = channel.next
    return (
        channel.channel,
        label(channel.runs) if channel.runs else "nothing",
        f"{label(coming.release)}: {coming.percent:g} %, {coming.group}" if coming else "",
        str(len(channel.stopped) or ""),
    )


def label(release: Release) -> str:
    """Name a release for people."""
    return f"{release.name} v{release.model_version} for {release.target} ({release.bundle[:12]})"


def _roles(state: State) -> list[dict[str, Any]]:
    from strop.fleet.channels import utc_now
    from strop.fleet.roles import share_left
    from strop.fleet.tuf_errors import ROLES, shown

    now = utc_now()
    return [
        {
            "role": role,
            "version": signed.version,
            "expires": shown(signed.expires),
            "days_left": round((signed.expires - now).total_seconds() / 86400, 1),
            "share_left": round(share_left(role, signed, now), 3),
        }
        for role in ROLES
        for signed in (state.signed(role),)
    ]


def _print_roles(state: State) -> None:
    """Print until when each file is valid, and warn of what ends soon."""
    found = _roles(state)
    rows = [
        (role["role"], str(role["version"]), role["expires"], f"{role['days_left']:g}")
        for role in found
    ]
    print_table(rows, ("role", "version", "valid until", "days left"))
    soon = [role for role in found if role["share_left"] < _WARN_BELOW]
    for role in soon:
        warn(
            f"{role['role']}.json is valid for {role['days_left']:g} more days, and then devices "
            "refuse the channels; strop channels REPOSITORY --keys DIR --renew signs it again, "
            f"with the key {_key(role['role'])}"
        )


def _key(role: str) -> str:
    from strop.fleet.key_folder import KEY_OF

    return KEY_OF[role]
