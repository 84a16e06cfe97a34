"""strop promote: make a release the one that all devices of a channel run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from strop.bundle.manifest import plain
from strop.commands.channels import label
from strop.commands.fleet import open_repository
from strop.commands.terminal import print_json, print_line, telling

if TYPE_CHECKING:
    from strop.fleet.channel import Channel


def main(arguments: argparse.Namespace) -> int:
    """Find the release, require that it is whole and what it says, and sign the change."""
    registry = open_repository(arguments.repository)
    from strop.fleet.channel import check_name
    from strop.fleet.promotion import promote, require_right, require_whole, runs_of
    from strop.fleet.publishing import change, look
    from strop.fleet.pull import find

    name = check_name(arguments.channel)
    channels, state = look(registry, arguments.keys)
    if arguments.source in state.names:
        release = runs_of(channels, state, arguments.source)
        require_whole(registry, release)
    else:
        release = find(registry, arguments.source)
        require_right(registry, release, arguments.trusted_keys)
    before: list[Channel] = []

    def promoted(channel: Channel) -> Channel:
        before.append(channel)
        return promote(
            channel,
            release,
            allow_downgrade=arguments.allow_downgrade,
            allow_stopped=arguments.allow_stopped,
        )

    after = change(registry, arguments.keys, name, promoted)
    (old,) = before
    ended = old.next if old.next and after != old else None
    with telling(f"channel {name} runs {label(release)}"):
        if arguments.json:
            print_json(
                {
                    "repository": registry.place,
                    "changed": after != old,
                    "ended_rollout": plain(ended),
                    "channel": plain(after),
                }
            )
        elif after == old:
            print_line(f"channel {name} runs {label(release)} already: nothing to do")
        else:
            if ended:
                print_line(
                    f"the rollout of {label(ended.release)}, to {ended.percent:g} % "
                    f"({ended.group}), is ended"
                )
            print_line(f"channel {name} runs {label(release)}")
    return 0
