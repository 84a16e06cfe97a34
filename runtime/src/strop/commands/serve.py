"""strop serve: answer requests for bundles over HTTP."""

from __future__ import annotations

import argparse
import json

from strop.commands.terminal import print_line
from strop.device import logs
from strop.device.cpu import usable_cores
from strop.errors import InputError, StropError


def main(arguments: argparse.Namespace) -> int:
    """Serve bundles until the process is told to stop."""
    try:
        from strop.serve import server
        from strop.serve.access import read_token
        from strop.serve.limits import Limits
    except ImportError as error:
        raise StropError(
            f"strop serve needs {error.name}", "install the extra [serve] of the strop wheel"
        ) from None
    if arguments.counts and not arguments.count_every:
        raise InputError("--counts saves what the models count", "give --count-every too")
    token = read_token(arguments.token_file) if arguments.token_file else None
    settings = server.Settings(
        host=arguments.host,
        port=arguments.port,
        token=token,
        may_load=arguments.repository_api,
        logs_requests=arguments.log_requests,
        threads=max(1, usable_cores() // (arguments.threads or 1)),
        counts=arguments.counts,
        limits=Limits(
            body_bytes=arguments.max_body,
            requests=arguments.max_requests,
            connections=arguments.max_connections,
            read_s=arguments.read_timeout,
            wait_s=arguments.wait_timeout,
            idle_s=max(arguments.read_timeout, Limits().idle_s),
            stop_s=arguments.stop_timeout,
        ),
    )
    options = {
        name: getattr(arguments, name)
        for name in ("engine", "precision", "device", "threads", "trusted_keys")
    }
    if arguments.count_every:
        options["count_every"] = arguments.count_every

    def say(address: str) -> None:
        said = json.dumps({"address": address}) if arguments.json else f"strop serves on {address}"
        print_line(said)

    logs.start()
    server.serve(arguments.bundles, options, settings, say)
    return 0
