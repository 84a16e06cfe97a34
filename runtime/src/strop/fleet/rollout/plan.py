"""The plan of a rollout, in TOML.

    repository = "registry.example.com/models/digits"
    channel = "stable"
    release = "v4-rpi"               # a tag, or a digest, sha256:<hex>
    keys = "channel-keys"            # the folder of strop channels --create
    devices = "devices"              # lines: ed25519:<hex> <name>
    reports = "reports/*.jsonl"      # or mqtts://HOST/PREFIX, with login and authority
    trusted_keys = "release.pub"     # of which one has signed the bundle; else this machine's

    [[group]]
    name = "canary"
    percent = 1                      # of the devices, with those of the groups before it
    success_percent = 100            # of the group must be healthy before the next one starts
    error_percent = 0                # of the group may fail; more stop the rollout
    soak_minutes = 60                # a device must have been healthy for so long
    at_least = 3                     # devices of the group that must have an answer

Paths are relative to the plan's folder.
"""

from __future__ import annotations

import glob
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from strop.errors import InputError, printable
from strop.fleet.channel import check_name
from strop.fleet.toml import beside, fields, read_toml

_MOST_GROUPS = 100
_MOST_SOAK_MINUTES = 366 * 24 * 60


class Group(NamedTuple):
    """A part of the devices, and when the rollout may go on to the next part.

    Attributes:
        name: what people call it.
        percent: of all devices, together with the groups before it; the last has 100.
        success_percent: of its own devices that must be healthy before the next group starts.
        error_percent: of its own devices that may fail; more stop the rollout.
        soak_minutes: how long the app on a device must have been healthy before the device counts.
        at_least: devices that it has, where so many are left, even if percent gives fewer; and so
            many must be healthy or have failed before the next group starts.
    """

    name: str
    percent: float
    success_percent: float
    error_percent: float
    soak_minutes: float = 0.0
    at_least: int = 1


class Plan(NamedTuple):
    """Which release a channel's devices get, in which groups, and where their reports are."""

    repository: str
    channel: str
    release: str
    keys: str
    devices: str
    reports: str
    login: str | None = None
    authority: str | None = None
    trusted_keys: str | None = None
    group: tuple[Group, ...] = ()

    @property
    def by_mqtt(self) -> bool:
        """Tell whether the reports are in a broker."""
        return "://" in self.reports


def read_plan(path: str) -> Plan:
    """Read a plan.

    Raises:
        InputError: the file cannot be read, a key is unknown, missing or of another type, or the
            groups cannot be followed.
    """
    shown = printable(path)
    table = read_toml(path)
    tables = table.pop("group", [])
    if not isinstance(tables, list) or not all(isinstance(item, dict) for item in tables):
        raise InputError(f"{shown}: group is not a list of tables", "write [[group]] above each")
    plan: Plan = fields(Plan, {**table, "group": []}, shown)
    groups = [_group(item, f"{shown}, group {i}") for i, item in enumerate(tables, 1)]
    check_name(plan.channel)
    _check(groups, shown)
    if not plan.by_mqtt and (plan.login or plan.authority):
        raise InputError(f"{shown}: login and authority are for a broker", "remove them")
    paths = {
        name: beside(path, value)
        for name in ("keys", "devices", "login", "authority", "trusted_keys")
        if (value := getattr(plan, name)) is not None
    }
    folder = glob.escape(str(Path(path).absolute()))  # its names are no part of the pattern
    reports = plan.reports if plan.by_mqtt else beside(folder, plan.reports)
    return plan._replace(group=tuple(groups), reports=reports, **paths)


def _group(table: dict[str, Any], where: str) -> Group:
    group: Group = fields(Group, table, where)
    for name in ("percent", "success_percent", "error_percent"):
        value = getattr(group, name)
        least_is_open = name != "error_percent"
        if not (0 <= value <= 100) or (least_is_open and value == 0):
            raise InputError(
                f"{where}: {name} is {value:g}",
                f"give {'more than 0' if least_is_open else '0'} and at most 100",
            )
    if group.success_percent + group.error_percent > 100:
        raise InputError(
            f"{where}: success_percent and error_percent are more than 100 together, so that a "
            "group could neither succeed nor stop",
            f"lower error_percent to {100 - group.success_percent:g}",
        )
    if not 0 <= group.soak_minutes <= _MOST_SOAK_MINUTES:
        raise InputError(f"{where}: soak_minutes is {group.soak_minutes:g}", "give 0 or more")
    if group.at_least < 1:
        raise InputError(f"{where}: at_least is {group.at_least}", "give 1 or more")
    return group


def _check(groups: list[Group], shown: str) -> None:
    if not 0 < len(groups) <= _MOST_GROUPS:
        raise InputError(
            f"{shown} has {len(groups)} groups", f"write 1 to {_MOST_GROUPS}: [[group]]"
        )
    names = [group.name for group in groups]
    for name in names:
        if not name.strip() or len(name) > 100 or names.count(name) > 1:
            raise InputError(f"{shown}: {name!r} names no one group", "give each a name of its own")
    for before, after in pairwise(groups):
        if after.percent <= before.percent:
            raise InputError(
                f"{shown}: group {after.name} has {after.percent:g} percent, and {before.name} "
                f"before it {before.percent:g}",
                "percent counts the groups before as well, and grows",
            )
    if groups[-1].percent != 100:
        raise InputError(
            f"{shown}: the last group, {groups[-1].name}, has {groups[-1].percent:g} percent",
            "the last one has percent = 100",
        )
