"""Whether somebody in the guest answers on a port that leads there from our loopback.

QEMU accepts a connection before the guest has, and keeps it when a packet filter swallows ours;
so a connection counts only when something is said on it: to a request as HTTP has it, or
unasked. DNS, RFC 1035, 4.1 and 4.2, is asked for an address over UDP and TCP, and is to answer
under the query's number, whatever the answer says. Other services over UDP cannot be asked.
"""

import secrets
import socket
import struct

from builder.boot.machine import Forward

_LOOPBACK = "127.0.0.1"
_SECONDS = 3.0
_DNS_PORT = 53
_PACKET = 4096
_QUERY = b"\x01\0\0\1\0\0\0\0\0\0\x04test\x07example\0\0\1\0\1"
"""After its number: a header with one question, the name, and that its address is wanted."""
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def answers(forward: Forward) -> bool:
    """Tell whether somebody answers."""
    number = secrets.token_bytes(2)
    query = number + _QUERY
    is_dns = forward.guest == _DNS_PORT
    try:
        match forward.protocol:
            case "tcp" if is_dns:
                said = _ask_stream(forward.host, struct.pack(">H", len(query)) + query)
                return said[2:4] == number
            case "tcp":
                return bool(_ask_stream(forward.host, _REQUEST))
            case "udp":
                return is_dns and _ask_datagram(forward.host, query)[:2] == number
    except OSError:
        return False


def _ask_stream(port: int, request: bytes) -> bytes:
    """Return what is said first on a connection."""
    with socket.create_connection((_LOOPBACK, port), _SECONDS) as connection:
        connection.sendall(request)
        return connection.recv(_PACKET)


def _ask_datagram(port: int, request: bytes) -> bytes:
    """Return the packet that comes back."""
    with socket.socket(type=socket.SOCK_DGRAM) as line:
        line.settimeout(_SECONDS)
        line.sendto(request, (_LOOPBACK, port))
        return line.recv(_PACKET)
