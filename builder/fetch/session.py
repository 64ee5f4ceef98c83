"""Sessions of requests that end: a header that never comes whole is given up after a deadline.

The time-outs of sockets are between two parts of an answer, so a server that sends a byte now and
then, or ``100 Continue`` for ever, is never too late for them. Imported late, as requests is.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection


def open_session(seconds: float) -> requests.Session:
    """Return a session whose answers have to begin within so many seconds."""
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(seconds))
    return session


class _Session(requests.Session):
    """A session that leaves the answers alone that lead elsewhere: their bodies may be endless."""

    def resolve_redirects(self, *_: object, **__: object) -> Iterator[requests.Response]:
        """Follow nothing."""
        return iter(())


class _Adapter(HTTPAdapter):
    """Makes connections with a deadline, to proxies too."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._pools = {
            "http": _pool(HTTPConnectionPool, HTTPConnection, seconds),
            "https": _pool(HTTPSConnectionPool, HTTPSConnection, seconds),
        }
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **settings: object) -> ProxyManager:
        """Return the pools for connections by a proxy."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **settings)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pool(
    pool: type[HTTPConnectionPool], connection: type[HTTPConnection], seconds: float
) -> type[HTTPConnectionPool]:
    """Return a class of pools whose connections have a deadline."""

    def getresponse(self: HTTPConnection) -> HTTPResponse:
        """Return the answer when its header is whole, or break the connection off."""
        timer = threading.Timer(seconds, _shut, (self.sock,))
        timer.daemon = True
        timer.start()
        try:
            return connection.getresponse(self)
        finally:
            timer.cancel()

    timed = type("Connection", (connection,), {"getresponse": getresponse})
    return type("Pool", (pool,), {"ConnectionCls": timed})


def _shut(connection: socket.socket) -> None:
    """End a connection, and whatever waits for it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
