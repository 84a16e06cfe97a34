"""A serial line to a board, read in lines of bounded length within bounded time."""

from __future__ import annotations

import errno
import time
from typing import Any

from strop.errors import DeviceUnavailable, EngineUnavailable, InputError, one_line

MAX_LINE = 256  # bytes; what is longer comes as several lines
_STEP_S = 0.1  # of waiting for a byte
_WRITE_S = 2  # of waiting for a port that takes nothing
_CHUNK = 4096  # bytes read at once


class SerialLine:
    """An open port; close it, or use it in a `with`.

    Opening it restarts many boards.
    """

    def __init__(self, port: str, baud: int) -> None:
        """Open a port for this process alone.

        Args:
            port: its name, such as /dev/ttyACM0 or COM3.
            baud: bits a second. USB boards ignore it.

        Raises:
            EngineUnavailable: pyserial is not installed.
            InputError: the port has no such speed.
            DeviceUnavailable: there is no such port, or it cannot be used.
        """
        try:
            import serial
        except ImportError:
            raise EngineUnavailable(
                "--serial needs pyserial", "install the extra [serial] of the strop wheel"
            ) from None
        self.port = port
        self._received = b""
        try:
            self._serial = serial.Serial(
                port, baud, timeout=_STEP_S, write_timeout=_WRITE_S, exclusive=True
            )
        except (ValueError, OverflowError):
            raise InputError(
                f"port {port} has no speed of {baud} baud", "give the firmware's with --baud"
            ) from None
        except OSError as error:
            raise _no_port(port, error) from None

    def __enter__(self) -> SerialLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._serial.close()

    def write(self, content: bytes) -> None:
        """Send bytes.

        Raises:
            DeviceUnavailable: the port has gone, or takes nothing.
        """
        try:
            self._serial.write(content)
        except OSError as error:
            raise self._gone(error) from None

    def line(self, until_s: float) -> str | None:
        """Wait for a line, and return it without its end; what is no ASCII becomes escapes.

        Args:
            until_s: how long, as `time.monotonic` tells it; None is returned then.

        Raises:
            DeviceUnavailable: the port has gone.
        """
        while True:
            end = self._received.find(b"\n", 0, MAX_LINE)
            if end >= 0 or len(self._received) >= MAX_LINE:
                line = self._received[: end if end >= 0 else MAX_LINE]
                self._received = self._received[len(line) + (end >= 0) :]
                return line.rstrip(b"\r").decode("ascii", "backslashreplace")
            if time.monotonic() >= until_s:
                return None
            try:
                waiting = self._serial.in_waiting
                self._received += self._serial.read(min(max(waiting, 1), _CHUNK))
            except OSError as error:
                raise self._gone(error) from None

    @property
    def rest(self) -> str:
        """The bytes received of a line that has no end yet."""
        return self._received.decode("ascii", "backslashreplace")

    def _gone(self, error: OSError) -> DeviceUnavailable:
        return DeviceUnavailable(
            f"the board at {self.port} has gone: {one_line(str(error))}",
            "check its cable and its power, and that no other program reads this port",
        )


def _no_port(port: str, error: OSError) -> DeviceUnavailable:
    if error.errno == errno.ENOENT:
        return DeviceUnavailable(f"there is no port {port}", _ports())
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceUnavailable(
            f"this user may not open port {port}",
            'sudo usermod -aG dialout "$USER", then log in again',
        )
    if error.errno in (errno.EAGAIN, errno.EBUSY):
        return DeviceUnavailable(
            f"another program uses port {port}", "close it, a serial monitor perhaps"
        )
    return DeviceUnavailable(f"{port} is no serial port: {one_line(str(error))}", _ports())


def _ports() -> str:
    """Say which ports there are."""
    from serial.tools import list_ports

    found: list[Any] = list_ports.comports()
    named = ", ".join(sorted(port.device for port in found))
    return f"there is {named}" if named else "there is none here: connect the board"
