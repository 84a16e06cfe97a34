"""The agent's settings: a TOML file, read strictly; examples/agent.toml has every key."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from strop.errors import InputError, printable
from strop.fleet.channel import check_name
from strop.fleet.registry import Reference, parse
from strop.fleet.reports.mqtt import Broker, parse_broker
from strop.fleet.reports.report import check_device
from strop.fleet.toml import beside, fields, read_toml

_LONGEST_S = 30 * 86400.0
_PATHS = (
    "root",
    "key",
    "folder",
    "state",
    "trusted_keys",
    "report_file",
    "mqtt_login",
    "mqtt_authority",
    "counts",
)


class Settings(NamedTuple):
    """The keys of the file, in its order. Paths are absolute, or relative to the file's folder.

    Attributes:
        repository: where the releases and the channels are: REGISTRY/REPOSITORY.
        channel: the channel that this device follows.
        root: the root.json that the device was set up with.
        device: the device's name in reports, and in the places of rollouts.
        key: the device's private key, which signs its reports (`strop keygen`).
        folder: where releases are installed, as `strop install` does; the app reads it.
        state: the agent's own folder.
        healthy: the app's command that tells whether it is healthy, and its arguments. It finds
            STROP_FOLDER, STROP_BUNDLE and STROP_MODEL_VERSION in its environment.
        healthy_s: seconds that the command may take.
        trial_s: seconds for which the app must be healthy before a release counts as tried: until
            then it is rolled back as soon as the app is not healthy.
        check_s: seconds that an engine may take for a file in the self-check.
        trusted_keys: a file of keys, one of which must have signed each bundle; "": as everywhere
            on this device.
        poll_s: seconds between two looks at the channel; each is up to a fifth shorter or longer.
        timeout_s: seconds to wait for the registry, or for the broker.
        report_s: seconds after which an unchanged state is reported again.
        report_file: a file of reports, one a line; "": none.
        mqtt: the broker to send reports to, `mqtts://HOST/PREFIX`; "": none.
        mqtt_login: a file with `user:password` for the broker; "": none.
        mqtt_authority: a file of the certificates that may sign the broker's; "": the system's.
        counts: the file into which the app saves what its model counts, which reports then carry;
            "": none.
    """

    repository: str
    channel: str
    root: str
    device: str
    key: str
    folder: str
    state: str
    healthy: tuple[str, ...]
    healthy_s: float = 60.0
    trial_s: float = 3600.0
    check_s: float = 120.0
    trusted_keys: str = ""
    poll_s: float = 300.0
    timeout_s: float = 30.0
    report_s: float = 86400.0
    report_file: str = ""
    mqtt: str = ""
    mqtt_login: str = ""
    mqtt_authority: str = ""
    counts: str = ""

    @property
    def reference(self) -> Reference:
        """The repository, parsed."""
        return parse(self.repository)

    @property
    def broker(self) -> Broker | None:
        """The broker; its login is read from its file each time."""
        if not self.mqtt:
            return None
        return parse_broker(self.mqtt, self.mqtt_login or None, self.mqtt_authority or None)


def read_settings(path: str) -> Settings:
    """Read the agent's settings.

    Args:
        path: the TOML file.

    Raises:
        InputError: it cannot be read, or a key is unknown, missing, or has no usable value.
    """
    where = printable(path)
    found: Settings = fields(Settings, read_toml(path), where)
    for name in _PATHS:
        value = getattr(found, name)
        if value:
            absolute: Any = {name: beside(path, value)}
            found = found._replace(**absolute)
        elif name not in Settings._field_defaults:
            raise InputError(f"{where}: {name} names no file", f'write {name} = "/path"')
    return check_settings(found, where)


def check_settings(settings: Settings, where: str) -> Settings:
    """Return settings whose values can be used.

    Args:
        settings: the settings, with absolute paths.
        where: what they are, for messages: the file's name.

    Raises:
        InputError: a value cannot be used; the message names the key.
    """
    for name, value in settings._asdict().items():
        if isinstance(value, float) and not 0 < value <= _LONGEST_S:
            raise InputError(f"{where}: {name} must be above 0 s and at most 30 days, got {value}")
    if not settings.healthy or not settings.healthy[0]:
        raise InputError(
            f"{where}: healthy names no command",
            'write healthy = ["/path/of/command"]; ["true"] asks the app nothing',
        )
    if _is_inside(settings.state, settings.folder) or _is_inside(settings.folder, settings.state):
        raise InputError(
            f"{where}: state and folder must be two folders beside each other",
            'write state = "/var/lib/strop/agent"',
        )
    try:
        check_name(settings.channel)
        check_device(settings.device)
        reference, _ = settings.reference, settings.broker
    except InputError as error:
        raise error.within(where) from None
    if reference.tag or reference.digest:
        raise InputError(
            f"{where}: repository names one bundle", "name the repository, without a tag or digest"
        )
    return settings


def _is_inside(path: str, folder: str) -> bool:
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath((inner, outer)) == outer
