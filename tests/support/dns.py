"""A name server on this machine's loopback, which a guest reaches at its router's address."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import pytest

from tests.support.judges import CI

ADDRESS: Final = "192.0.2.7"
"""What every name has here."""

_PORT: Final = 53
_SECONDS: Final = 0.2


@contextmanager
def serve_dns() -> Iterator[None]:
    """Answer every query for an address; needs to be root, as the port is a low one."""
    if os.geteuid() != 0:
        (pytest.fail if CI else pytest.skip)("a name server is started by root only: use sudo")
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", _PORT))
        server.settimeout(_SECONDS)
        ended = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _serve(server: socket.socket, ended: threading.Event) -> None:
    """Answer until somebody says that it is over."""
    while not ended.is_set():
        with suppress(TimeoutError):
            query, client = server.recvfrom(512)
            server.sendto(_answer(query), client)


def _answer(query: bytes) -> bytes:
    """Return an answer, RFC 1035, 4.1: an address for type A, nothing for other types."""
    end = query.index(b"\0", 12) + 5
    (kind,) = struct.unpack_from(">H", query, end - 4)
    count = int(kind == 1)
    head = query[:2] + struct.pack(">5H", 0x8180, 1, count, 0, 0)
    record = struct.pack(">3HIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(ADDRESS)
    return head + query[12:end] + record * count
