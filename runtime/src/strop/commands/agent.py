"""strop agent: keep this device at the release that its channel names."""

from __future__ import annotations

import argparse

from strop.bundle.manifest import plain
from strop.commands.fleet import the_extra
from strop.commands.terminal import print_json, print_line
from strop.device import logs
from strop.install.selfcheck import self_check


def main(arguments: argparse.Namespace) -> int:
    """Follow a channel until told to stop; or poll once, or forget what failed here."""
    with the_extra():
        from strop.fleet.agent import health, loop
        from strop.fleet.agent.agent import Agent
        from strop.fleet.agent.backoff import Backoff
        from strop.fleet.agent.clock import system_clock
        from strop.fleet.agent.sending import sender
        from strop.fleet.agent.settings import read_settings
    settings = read_settings(arguments.settings)
    logs.start()

    def healthy(folder: str, bundle: str, model_version: int) -> str:
        return health.ask(
            settings.healthy,
            settings.healthy_s,
            folder=folder,
            bundle=bundle,
            model_version=model_version,
        )

    with loop.alone(settings.state):
        agent = Agent(
            settings,
            check=lambda bundle: self_check(bundle, settings.check_s),
            healthy=healthy,
            send=sender(settings),
            clock=system_clock(),
        )
        if arguments.forget:
            failed = agent.forget()
            if arguments.json:
                print_json({"forgotten": plain(failed)})
            elif failed:
                print_line(f"bundle {failed.bundle} is tried again: it was {failed.state} here")
            else:
                print_line("no release has failed here: nothing to forget")
            return 0
        if not arguments.once:
            loop.run(agent, Backoff(settings.poll_s))
            return 0
        outcome = loop.once(agent)
        if arguments.json:
            print_json(outcome._asdict())
        else:
            print_line(": ".join(filter(None, (outcome.state, outcome.problem))))
        return outcome.status
