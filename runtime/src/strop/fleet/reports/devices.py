"""The list of a fleet's devices: the public key of each, and its name.

The file is written as a file of trusted keys is, with the devices' names for comments:

    ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60 camera-7
"""

from __future__ import annotations

from strop.bundle.trust import key_lines, parse_keys
from strop.errors import BundleError, InputError, printable
from strop.fleet.reports.report import DEVICE_HINT, is_device

MAX_BYTES = 16 * 2**20  # of the list: some 150,000 devices


def read_devices(path: str) -> dict[str, str]:
    """Read a list of devices.

    Args:
        path: the file; like a file of trusted keys, no other user may change it.

    Returns:
        Names by public key, as text (`ed25519:<hex>`).

    Raises:
        InputError: the file cannot be read or trusted, a line is not a key and a name, two lines
            have the same key or the same name, or there is no line.
    """
    what = "the list of devices"
    source = f"{what} in {printable(path)}"
    devices: dict[str, str] = {}
    lines: dict[str, int] = {}  # by key and by name
    try:
        content = key_lines(path, what, MAX_BYTES, "name the list in the plan: devices = ..")
        for number, key in parse_keys(content, source):
            if not is_device(key.comment):
                raise InputError(
                    f"{source}, line {number}: {key.comment!r} is not a device's name", DEVICE_HINT
                )
            for text in (key.text, key.comment):
                if text in lines:
                    raise InputError(
                        f"{source}, line {number}: {text} is in line {lines[text]} too",
                        "give each device a key and a name of its own",
                    )
                lines[text] = number
            devices[key.text] = key.comment
    except BundleError as error:
        raise InputError(error.problem, error.mend) from None
    if not devices:
        raise InputError(f"{source}: there is no device in it", "add a line: ed25519:<hex> <name>")
    return devices
