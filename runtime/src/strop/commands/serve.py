"""strop serve: answer requests for bundles over HTTP."""

from __future__ import annotations

import argparse

from strop.commands.terminal import print_line
from strop.errors import StropError


def main(arguments: argparse.Namespace) -> int:
    """Serve bundles until the process is told to stop."""
    try:
        from strop.serve import logs, server
        from strop.serve.access import read_token
        from strop.serve.limits import Limits
    except ImportError as error:
        raise StropError(
            f"strop serve needs {error.name}", "install the extra [serve] of the strop wheel"
        ) from None
    token = read_token(arguments.token_file) if arguments.token_file else None
    settings = server.Settings(
        host=arguments.host,
        port=arguments.port,
        token=token,
        may_load=arguments.repository_api,
        logs_requests=arguments.log_requests,
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
    logs.start()
    server.serve(arguments.bundles, options, settings, print_line)
    return 0
