"""Sessions of requests with a deadline for the header of a response.

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
    """Return a session whose responses must have a complete header within so many seconds."""
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(seconds))
    return session


class _Session(requests.Session):
    """A session that does not follow redirects: the bodies of these may be endless."""

    def resolve_redirects(self, *_: object, **__: object) -> Iterator[requests.Response]:
        """Yield nothing: redirects are not followed."""
        return iter(())


class _Adapter(HTTPAdapter):
    """Creates connections with a deadline, to proxies too."""

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
        """Return the response when its header is complete, or close the connection."""
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
    """Close a connection, and wake up its readers."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
