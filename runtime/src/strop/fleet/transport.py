"""HTTP to one registry, which may be slow, broken or lying.

The credentials go to the registry alone, plain HTTP to loopback alone. No answer is waited for
without end, and none is read past its limit. What may pass by itself, a lost connection say, is
tried again a few times.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from strop.bundle.records import decode
from strop.device.hosts import is_loopback
from strop.errors import BundleError, RegistryError, StropError, one_line, printable, root_cause
from strop.fleet.credentials import Credentials, origin
from strop.versions import __version__

MAX_ANSWER_BYTES = 4 * 2**20  # of what is read into memory: registries take manifests of 4 MiB
CHUNK_BYTES = 64 * 2**10
PAUSES_S = (0.5, 1.0, 2.0)  # before each further try
MAX_PAUSE_S = 20.0  # even if the registry asks for more by Retry-After
_PASSING = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_MAX_REASON_BYTES = 8 * 2**10  # of what a registry says about an error
_LEAST_BYTES_PER_S = 256  # on the average of a timeout; slower counts as stalled

Body = bytes | memoryview


class Passing(RegistryError):
    """An error that may pass by itself: the same request may work in a moment."""

    pause_s: float | None = None  # that the registry asked for


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes


class Transport:
    """Requests to one registry, with its credentials.

    Args:
        registry: host and port, as in a reference.
        repository: the repository, whose token is asked for.
        timeout_s: seconds to wait for a connection, for an answer's head, and for more of its body.
        pauses_s: seconds to wait before each further try.

    Attributes:
        place: the registry's name, for messages.
    """

    def __init__(
        self, registry: str, repository: str, *, timeout_s: float, pauses_s: Sequence[float]
    ) -> None:
        self.place = registry
        host = "registry-1.docker.io" if registry == "docker.io" else registry
        self.is_local = is_loopback(urlsplit(f"//{host}").hostname or "")
        self.base = f"{'http' if self.is_local else 'https'}://{host}/v2/{repository}/"
        self._timeout_s = timeout_s
        self._pauses_s = pauses_s
        self._authorization = ""
        self._credentials = Credentials(registry, repository)
        self._pools: dict[str, urllib3.PoolManager] = {}

    def ask(
        self,
        method: str,
        url: str,
        *,
        body: Body = b"",
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send a request, and return the whole answer; try again what may pass by itself.

        Args:
            method: GET, HEAD, POST or PUT.
            url: absolute, or relative to the repository.
            body: what to send.
            headers: further ones.
            max_bytes: the longest body of an answer.

        Raises:
            RegistryError: the registry cannot be reached, wants credentials that are not here,
                fails, or answers with more.
        """

        def once() -> Answer:
            with self.open(method, url, body=body, headers=headers) as answer:
                content = bytearray()
                if method != "HEAD" and not self._read(answer, content, max_bytes):
                    raise RegistryError(f"{self.place} answers with more than {max_bytes} bytes")
                return Answer(answer.status, answer.headers, bytes(content))

        for pause_s in self._pauses_s:
            try:
                return once()
            except Passing as error:
                wait(error, pause_s)
        return once()

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        body: Body = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send a request, once, and yield the answer with its body unread.

        Redirects of GET and HEAD are followed; credentials stay with the registry.

        Raises:
            Passing: the registry cannot be reached, or says that it fails at the moment.
            RegistryError: it wants credentials that are not here, or redirects to plain HTTP.
        """
        url = self._joined(self.base, url)
        given = {"User-Agent": f"strop/{__version__}", "Accept-Encoding": "identity"}
        given.update(headers or {})
        answer = self._send(method, url, body, given)
        try:
            if answer.status == 401 and self._is_own(url):
                challenge = answer.headers.get("WWW-Authenticate", "")
                answer.close()
                self._authorization = ""  # a token may have expired, or allow too little
                self._authorization = self._credentials.answer(challenge, self._token)
                answer = self._send(method, url, body, given)
            for _ in range(_MAX_REDIRECTS):
                if method not in ("GET", "HEAD") or answer.status not in _REDIRECTS:
                    break
                answer.close()
                url = self._joined(url, answer.headers.get("Location", ""))
                answer = self._send(method, url, b"", given)
            self._check(answer, self.place)
            with self._errors():
                yield answer
        finally:
            answer.close()

    def pieces(self, answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """Yield the body of an answer as it comes.

        Raises:
            Passing: the connection is lost, or nothing more comes.
        """
        start, since = time.monotonic(), 0
        while True:
            with self._errors():
                piece = answer.read1(CHUNK_BYTES)
            if not piece:
                return
            since += len(piece)
            passed_s = time.monotonic() - start
            if passed_s > self._timeout_s:
                if since < _LEAST_BYTES_PER_S * passed_s:
                    raise Passing(f"{self.place} stalls: {since} bytes in {passed_s:.0f} s")
                start, since = time.monotonic(), 0
            yield piece

    def _read(self, answer: urllib3.BaseHTTPResponse, content: bytearray, most_bytes: int) -> bool:
        """Append the body of an answer to `content`; stop and return False if it is longer."""
        for piece in self.pieces(answer):
            content += piece
            if len(content) > most_bytes:
                return False
        return True

    def _send(
        self, method: str, url: str, body: Body, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        self._require_safe(url)
        headers = dict(headers)
        if self._authorization and self._is_own(url) and "Authorization" not in headers:
            headers["Authorization"] = self._authorization
        content: Any = body  # urllib3 sends a memoryview too; its types do not say so
        with self._errors():
            return self._pool(url).request(
                method,
                url,
                body=content if method in ("POST", "PUT") else None,
                headers=headers,
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=self._timeout_s, read=self._timeout_s),
            )

    def _token(self, url: str, headers: Mapping[str, str]) -> bytes:
        """Ask a realm for a token, and return its answer."""
        self._require_safe(url)
        answer = self._send("GET", url, b"", headers)
        try:
            self._check(answer, urlsplit(url).netloc)
            content = bytearray()
            if not self._read(answer, content, CHUNK_BYTES):
                raise RegistryError(f"{urlsplit(url).hostname} gives a token that is too long")
        finally:
            answer.close()
        if answer.status != 200:
            raise self._credentials.refusal(f"{urlsplit(url).hostname} gives no token")
        return bytes(content)

    def _check(self, answer: urllib3.BaseHTTPResponse, place: str) -> None:
        problem = f"{printable(place)} answers {answer.status}"
        if answer.status in _PASSING:
            reason = self._reason(answer)
            error = Passing(f"{problem}{reason and ': '}{reason}", "try again later")
            after = answer.headers.get("Retry-After", "")
            if after.isascii() and after.isdecimal() and len(after) < 6:
                error.pause_s = float(after)
            raise error
        if answer.status in (401, 403):
            raise self._credentials.refusal(problem, self._reason(answer))
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RegistryError(f"{self.place} answers in an encoding that was not asked for")

    def _reason(self, answer: urllib3.BaseHTTPResponse) -> str:
        """Return what the answer to a request that failed says about it; "" if nothing."""
        content = bytearray()
        with contextlib.suppress(RegistryError):
            if not self._read(answer, content, _MAX_REASON_BYTES):
                return ""
        return reason_in(bytes(content))

    def _is_own(self, url: str) -> bool:
        """Tell whether a URL is the registry's."""
        try:
            return origin(url) == origin(self.base)
        except ValueError:
            return False

    def _require_safe(self, url: str) -> None:
        try:
            scheme, host, _ = urlsplit(url).scheme, urlsplit(url).hostname, urlsplit(url).port
        except ValueError:
            scheme, host = "", ""
        is_plain = scheme == "http" and self.is_local and is_loopback(host or "")
        if not host or not (scheme == "https" or is_plain):
            raise self._unsafe(url)

    def _joined(self, base: str, url: str) -> str:
        try:
            return urljoin(base, url)
        except ValueError:
            raise self._unsafe(url) from None

    def _unsafe(self, url: str) -> RegistryError:
        return RegistryError(
            f"{self.place} leads to {url[:200]!r}, which is not HTTPS",
            "plain HTTP is for registries on this machine",
        )

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the connections to use for a URL: its proxy's, if the environment names one."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        skips = is_loopback(host) or proxy_bypass(host)
        proxy = "" if skips else getproxies().get(parts.scheme, "")
        pool = self._pools.get(proxy)
        if pool is None:
            with self._errors():
                pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
            self._pools[proxy] = pool
        return pool

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of urllib3 and of the sockets into one line."""
        try:
            yield
        except StropError:
            raise
        except SSLError as error:
            raise RegistryError(
                f"{self.place} has no certificate that this machine trusts: {_words(error)}",
                "set SSL_CERT_FILE to a file with the certificate of its authority",
            ) from None
        except NewConnectionError as error:
            raise Passing(
                f"cannot reach {self.place}: {_words(error)}", "check the network and the name"
            ) from None
        except HTTPError as error:
            raise Passing(
                f"the connection to {self.place} is lost: {_words(error)}", "try again"
            ) from None


def reason_in(content: bytes) -> str:
    """Return the code and message of an error as the distribution spec writes it; "" if none."""
    try:
        said = decode(content[:_MAX_REASON_BYTES], "an error")["errors"][0]
        parts = [said.get("code"), said.get("message")]
    except (BundleError, LookupError, TypeError, AttributeError):
        return ""
    return one_line(": ".join(part for part in parts if type(part) is str and part))[:200]


def wait(error: Passing, pause_s: float) -> None:
    """Pause before another try, as long as the registry asks for, within reason."""
    time.sleep(min(max(pause_s, error.pause_s or 0.0), MAX_PAUSE_S))


def _words(error: BaseException) -> str:
    """Say what happened to a connection, in the system's words where there are some."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionError) and seen.errno:
            return os.strerror(seen.errno)
        seen = seen.__cause__ or seen.__context__
    return one_line(root_cause(error))[:200]
