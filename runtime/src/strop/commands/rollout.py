"""strop rollout: take the next step of a rollout.

Exit status: 0 a step was taken, or there is none to take now; 1 the release is stopped.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from strop.bundle.manifest import plain
from strop.commands.channels import label
from strop.commands.fleet import open_repository, the_extra
from strop.commands.refusal import FAILED
from strop.commands.terminal import print_json, print_line, print_table, telling

if TYPE_CHECKING:
    from strop.fleet.rollout.plan import Plan
    from strop.fleet.rollout.rollout import Step

_SHOWN = 10  # devices that are named
_DONE = {
    "start": "started",
    "advance": "advanced",
    "finish": "finished",
    "stop": "stopped",
    "wait": "waits",
    "nothing": "nothing to do",
}
_HEADER = (
    "group",
    "percent",
    "devices",
    "healthy",
    "soaking",
    "failed",
    "waiting",
    "silent",
    "state",
)


def main(arguments: argparse.Namespace) -> int:
    """Decide by the devices' reports, sign the channel, and show what was done."""
    with the_extra():
        from strop.fleet.rollout.plan import read_plan
    plan = read_plan(arguments.plan)
    registry = open_repository(plan.repository)
    with the_extra():
        from strop.fleet.rollout.rollout import step

        if plan.by_mqtt:
            import strop.fleet.reports.mqtt  # noqa: F401  it is here, before any work
    taken = step(plan, registry, again=arguments.again, halt=arguments.stop, dry=arguments.dry_run)
    decision = taken.decision
    with telling(f"the rollout: {_DONE[decision.action]}"):
        if arguments.json:
            print_json(_content(taken, dry=arguments.dry_run))
        else:
            _show(taken, plan, dry=arguments.dry_run)
    return FAILED if taken.is_stopped else 0


def _content(taken: Step, *, dry: bool) -> dict[str, Any]:
    decision = taken.decision
    return {
        "action": decision.action,
        "reason": decision.reason,
        "dry_run": dry,
        "stopped": taken.is_stopped,
        "release": plain(taken.release),
        "channel": plain(decision.channel),
        "groups": plain(decision.groups),
        "silent": list(decision.silent),
        "failed": [
            {"device": report.device, "state": report.state, "problem": report.problem}
            for report in decision.failed
        ],
        "refused_reports": dict(taken.refused),
        "reporting": taken.reporting,
        "counting": taken.counting,
    }


def _show(taken: Step, plan: Plan, *, dry: bool) -> None:
    decision = taken.decision
    print_line(f"channel {plan.channel}: {label(taken.release)}")
    rows = [
        (tally.group, f"{tally.percent:.4g} %", *map(str, tally[2:-1]), tally.state)
        for tally in decision.groups
    ]
    print_table(rows, _HEADER)
    for report in decision.failed[:_SHOWN]:
        print_line(
            f"failed: {report.device}: {report.state}: {report.problem or 'no problem told'}"
        )
    if len(decision.failed) > _SHOWN:
        print_line(f"failed: {len(decision.failed) - _SHOWN} more")
    if decision.silent:
        more = len(decision.silent) - _SHOWN
        named = ", ".join(decision.silent[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        print_line(f"silent: {named}")
    if not taken.reporting:
        print_line(f"no device has a report in {plan.reports}")
    if taken.counting:
        print_line(f"counts for strop drift: from {taken.counting} of {taken.reporting} devices")
    if taken.refused:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(taken.refused.items()))
        print_line(f"reports that do not count: {counts}")
    print_line(f"{'would be ' if dry else ''}{_DONE[decision.action]}: {decision.reason}")
