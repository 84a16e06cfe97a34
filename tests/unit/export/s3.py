"""A store of objects with as much of the S3 protocol as reading takes, for Arrow's own client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

WHEN = ("2026-01-01T00:00:00.000Z", "Thu, 01 Jan 2026 00:00:00 GMT")


class Store(ThreadingHTTPServer):
    """Objects by "bucket/key"; reading one in `denied` is refused."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.denied: set[str] = set()

    def uri(self, path: str) -> str:
        """The URI of a path or pattern."""
        return f"s3://{path}?endpoint_override=127.0.0.1:{self.server_port}&scheme=http"


@contextmanager
def serving() -> Iterator[Store]:
    with Store() as store:
        thread = threading.Thread(target=store.serve_forever, daemon=True)
        thread.start()
        try:
            yield store
        finally:
            store.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        options, key = parse_qs(parts.query), unquote(parts.path).strip("/")
        if "list-type" in options:
            found = self._list(key, options.get("prefix", [""])[0], "delimiter" in options)
            self._reply(200, found, {"Content-Type": "application/xml"})
        elif "/" not in key:
            self._reply(200, b"", {})
        elif key not in self.server.objects:
            self._reply(404, b"", {})
        elif key in self.server.denied and self.command == "GET":
            self._reply(403, b"", {})
        else:
            self._object(self.server.objects[key])

    def _object(self, content: bytes) -> None:
        headers = {"Last-Modified": WHEN[1]}
        if wanted := self.headers.get("Range"):
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
            piece = content[first : last + 1]
            place = f"bytes {first}-{first + len(piece) - 1}/{len(content)}"
            self._reply(206, piece, {"Content-Range": place, **headers})
        else:
            self._reply(200, content, headers)

    def _list(self, bucket: str, prefix: str, flat: bool) -> bytes:
        files, folders = [], set()
        for name, content in sorted(self.server.objects.items()):
            key = name.removeprefix(f"{bucket}/")
            if key == name or not key.startswith(prefix):
                continue
            head, mark, _ = key[len(prefix) :].partition("/")
            if flat and mark:
                folders.add(f"{prefix}{head}/")
            else:
                files.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size>"
                    f"<LastModified>{WHEN[0]}</LastModified></Contents>"
                )
        below = [f"<CommonPrefixes><Prefix>{each}</Prefix></CommonPrefixes>" for each in folders]
        return (
            f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(files) + len(below)}</KeyCount><IsTruncated>false</IsTruncated>"
            f"{''.join(files)}{''.join(sorted(below))}</ListBucketResult>"
        ).encode()

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
