"""Listens, serves, and stops without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

import uvicorn

from strop.device.hosts import is_loopback
from strop.device.logs import log, log_failure
from strop.device.notify import notify
from strop.errors import InputError, StropError
from strop.serve.access import Access
from strop.serve.admission import Admission
from strop.serve.app import make_app
from strop.serve.connection import Connection, limited
from strop.serve.counting import SAVED_S, Counting
from strop.serve.endpoints import Endpoints
from strop.serve.limits import Limits
from strop.serve.metrics import Metrics
from strop.serve.repository import Repository

_BACKLOG = 512  # connections that the system keeps until they are accepted, all at once
_OTHER_FILES = 128  # that the server has open besides its connections
_DRAIN_S = 0.5  # in which open connections may bring a last request
_LOOK_S = 0.01
_SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>; Python does not name it
_BPF_RETURN = 0x06  # <linux/bpf_common.h>: BPF_RET | BPF_K
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


class Settings(NamedTuple):
    """How to serve; `strop serve --help` says what each is."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: bytes | None = None
    may_load: bool = False
    logs_requests: bool = False
    threads: int = 1  # calls that run at the same time
    counts: str | None = None  # the folder where models that count save what they have counted
    limits: Limits = Limits()


class _Server(uvicorn.Server):
    """uvicorn's server, which ends each connection after an answer before it closes the rest."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: type[Connection],
        endpoints: Endpoints,
        address: str,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._endpoints = endpoints
        self._say = say
        self._address = address

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second ^C at once. uvicorn would then end the process by the signal."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        log("serving", address=self._address)
        self._say(self._address)
        notify("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has arrived, then stop.

        A connection may bring a request as it is closed, which would be lost. So connections are
        answered and told to close for a while, first the old ones, then those that the system had
        accepted for us when we stopped listening.
        """
        notify("STOPPING=1")
        log("stopping", connections=len(self.server_state.connections))
        self._endpoints.stopping = True
        self._connections.stopping = True
        await asyncio.sleep(_DRAIN_S)
        await self._stop_listening(sockets or [])
        end_s = time.monotonic() + _DRAIN_S
        while self.server_state.connections and time.monotonic() < end_s:
            await asyncio.sleep(_LOOK_S)
        await super().shutdown(sockets)
        log("stopped")

    async def _stop_listening(self, sockets: Sequence[socket.socket]) -> None:
        """Accept the connections that wait, and close before another comes."""
        waiting = []
        for listening in sockets:
            _take_no_more(listening)
            with contextlib.suppress(OSError):  # none waits; or no file is left to accept it
                while True:
                    waiting.append(listening.accept()[0])
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for accepted in waiting:
            accepted.setblocking(False)
            await loop.connect_accepted_socket(self._connection, accepted)

    def _connection(self) -> Connection:
        return self._connections(self.config, self.server_state, self.lifespan.state)


def serve(
    paths: Sequence[str],
    options: Mapping[str, Any],
    settings: Settings,
    say: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve bundles until the process is told to stop, by SIGTERM or SIGINT.

    Args:
        paths: bundles, and folders that `strop install` keeps.
        options: as `strop.load` takes them.
        settings: how to serve.
        say: called with the server's address once requests are answered.

    Raises:
        InputError: the address is not loopback, and there is no token; or two models have one name.
        StropError: a model cannot be opened, the address cannot be listened on, or the system
            allows too few open files.
    """
    loopback = is_loopback(settings.host)
    if settings.token is None and not loopback:
        raise InputError(
            f"{settings.host} can be reached from other machines, and clients need no token",
            "give --token-file, or serve on 127.0.0.1",
        )
    _allow_files(settings.limits.connections + _BACKLOG + _OTHER_FILES)
    channel = _listen(settings.host, settings.port)
    try:
        repository = Repository(paths, options)
        try:
            counting = Counting(repository, settings.counts) if options.get("count_every") else None
            try:
                asyncio.run(_serve(repository, counting, settings, channel, loopback, say))
            finally:
                if counting is not None:
                    counting.look(last=True)
        finally:
            repository.close()
    finally:
        channel.close()


async def _serve(
    repository: Repository,
    counting: Counting | None,
    settings: Settings,
    channel: socket.socket,
    loopback: bool,
    say: Callable[[str], None],
) -> None:
    admission = Admission(settings.limits, settings.threads)
    metrics = Metrics(repository, admission, counting)
    endpoints = Endpoints(
        repository,
        admission,
        metrics,
        settings.limits,
        may_load=settings.may_load,
        counting=counting,
    )
    hosts = frozenset((*_LOOPBACK_HOSTS, settings.host)) if loopback else None
    access = Access(settings.token, hosts)
    app = make_app(endpoints, access, metrics, admission, logs=settings.logs_requests)
    host, port = channel.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    address = f"http://{host}:{port}"
    connections = limited(settings.limits)
    config = uvicorn.Config(
        app,
        http=connections,
        ws="none",
        lifespan="off",
        backlog=_BACKLOG,
        timeout_keep_alive=int(settings.limits.idle_s),
        timeout_graceful_shutdown=int(settings.limits.stop_s),
        log_config=None,
        log_level="error",  # it warns of each request that is no HTTP: anybody could fill the log
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    looks = asyncio.create_task(_look(counting)) if counting is not None else None
    try:
        await _Server(config, connections, endpoints, address, say).serve([channel])
    finally:
        if looks is not None:
            looks.cancel()
        admission.close()


async def _look(counting: Counting) -> None:
    """Save what was counted, again and again."""
    while True:
        await asyncio.sleep(SAVED_S)
        try:
            await asyncio.to_thread(counting.look)
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the saving
            log_failure("counts not saved", error)


def _take_no_more(listening: socket.socket) -> None:
    """Let Linux drop each packet that asks for a connection; those that it has accepted stay.

    Otherwise a connection that comes between the last accept and the close would be reset. The
    client asks again after a second, and is then refused. See socket(7), SO_ATTACH_FILTER.
    """
    if sys.platform != "linux":
        return
    keep_nothing = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    program = struct.pack("HP", 1, ctypes.addressof(keep_nothing))
    with contextlib.suppress(OSError):  # a kernel without filters: the gap is microseconds
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _allow_files(most: int) -> None:
    """Raise the number of files that this process may open, if that is needed.

    Raises:
        InputError: the system allows fewer.
    """
    if os.name != "posix":
        return
    import resource

    now, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY or now >= most:
        return
    if highest != resource.RLIM_INFINITY and highest < most:
        raise InputError(
            f"the connections may need {most} open files, and the system allows {highest}",
            "lower --max-connections, or raise the limit (ulimit -Hn)",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, highest))


def _listen(host: str, port: int) -> socket.socket:
    """Bind a socket before the models are opened: a port that is taken is found at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        channel = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StropError(f"cannot listen on {host}: {error.strerror or error}") from None
    try:
        if os.name == "posix":
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        channel.bind(address)
    except OSError as error:
        channel.close()
        raise StropError(
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            "choose another --port",
        ) from None
    return channel
