"""The monitor on one address, from the first line it prints to Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from .app import Monitor
from .protocol import guarded
from .security import is_loopback
from .store import Store

GRACE = 2
"""Seconds that unfinished requests are given at the end."""


class Server(uvicorn.Server):
    """uvicorn with our protocol, whose viewers don't keep it from ending.

    Args:
        app: The monitor, whose limits hold for the connections too.
        started: Called once it answers requests, and Ctrl-C ends it in order.
    """

    def __init__(self, app: Monitor, started: Callable[[], Any] = lambda: None) -> None:
        limits, self._tell = app.limits, started
        logging.getLogger("uvicorn.error").addFilter(_matters)
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                http=guarded(limits),
                ws="none",
                lifespan="on",
                log_level="error",
                access_log=False,
                proxy_headers=False,  # a client's address tells runs apart, so nobody may choose it
                server_header=False,
                date_header=False,
                timeout_keep_alive=int(limits.idle) + 1,
                timeout_graceful_shutdown=GRACE,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer requests, and tell it."""
        await super().startup(sockets)
        if self.started:
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the viewers' streams, then everything else."""
        self._app.stream.close()
        await super().shutdown(sockets)


def _matters(record: logging.LogRecord) -> bool:
    """Return whether a record is worth printing: requests that the end cuts off are no errors."""
    kind = record.exc_info[0] if record.exc_info else None
    return not (kind and issubclass(kind, asyncio.CancelledError))


def serve(
    host: str = "127.0.0.1",
    port: int = 9000,
    db: str | Path = "epochal-monitor.db",
    token: str | None = None,
    keep: float | None = None,
    say: Callable[[str], Any] = print,
) -> None:
    """Run the monitor until Ctrl-C.

    Args:
        host: The address to listen on. Any but a loopback address needs a token.
        port: The port; 0 takes a free one.
        db: The SQLite file of all runs; made if it isn't there.
        token: What clients must bring. None makes one up where one is needed.
        keep: Days after which runs that nothing was heard of are deleted, but for archived ones; None keeps all.
        say: Called with the lines to print.

    Raises:
        ValueError: If the token is too short to be one, or `db` is a file of something else.
        OSError: If the address can't be had or the file can't be opened.
    """
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    if token is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{16,200}", token):
        raise ValueError("a token has 16 to 200 characters, of letters, digits and ._~- only; leave it out to get one.")
    sock = _listen(host, port)
    try:
        store = Store(db)
    except BaseException:
        sock.close()
        raise
    _allow_many_files()
    names = {host, socket.gethostname()} if token else set[str]()

    def tell() -> None:
        say(f"Open {_address(host, sock.getsockname()[1], token)}")
        say(f"Runs are kept in {store.path}. Ctrl-C ends the monitor.")

    Server(Monitor(store, token=token, names=names, keep=keep), tell).run(sockets=[sock])


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        OSError: If the address isn't this machine's or another program has it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(2_048)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise OSError(f"can't listen on {host} port {port}: {error.strerror}. Choose another with --port.") from None
    return sock


def _address(host: str, port: int, token: str | None) -> str:
    """Return the link to open; for "all addresses" it names one by which this machine is reached."""
    if host in ("0.0.0.0", "::"):
        host = _own_address()
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a reserved address: nothing is sent, but a route is chosen
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def _allow_many_files() -> None:
    """Raise the soft limit of open files, which is often just the number of connections we allow."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 4_096 if hard == resource.RLIM_INFINITY else min(4_096, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
