"""Serve the demo page on this machine: python -m demo.serve dist/demo."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PORT = 8765


class Handler(SimpleHTTPRequestHandler):
    """Answers with the page's files."""

    protocol_version = "HTTP/1.1"  # one connection for many files
    extensions_map = {  # noqa: RUF012  as in the base class
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
        ".strop": "application/octet-stream",
        ".plan": "application/octet-stream",
    }

    def handle(self) -> None:
        """Answer until the browser closes the connection, which it may do at any time."""
        with suppress(ConnectionError):
            super().handle()

    def end_headers(self) -> None:
        """Isolate the page, which gives it the finest clock; let browsers ask for newer files."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing for each request."""


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Open the port; 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    return ThreadingHTTPServer((HOST, port), partial(Handler, directory=str(folder)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m demo.serve", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT}; 0 takes a free one")
    given = parser.parse_args(arguments)
    if not (given.folder / "index.html").is_file():
        sys.exit(f"demo: there is no page in {given.folder}; build it: make demo-build")
    try:
        server = make_server(given.folder, given.port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        sys.exit(
            f"demo: cannot open port {given.port}: {reason}; choose another: make demo PORT=8000"
        )
    with server:
        print(f"Draw a digit: http://{HOST}:{server.server_port}/ (Ctrl-C ends)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
