"""The log of a process that runs for long: one JSON object a line on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from typing import Any

_LOG = logging.getLogger("strop")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Write a record as an object: time, level, event, and its fields."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def start() -> None:
    """Write the log, and the warnings of libraries, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _LOG.setLevel(logging.INFO)
    warnings.showwarning = _warn


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    log("warning", logging.WARNING, message=str(message))


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event with its fields."""
    _LOG.log(level, event, extra={"fields": fields})


def log_failure(event: str, error: BaseException, **fields: Any) -> None:
    """Log a fault of the program with its traceback."""
    _LOG.error(event, exc_info=error, extra={"fields": fields})
