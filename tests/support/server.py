"""HTTP servers on loopback that behave well or badly in one chosen way.

Each answers one file under any path, counts what is asked, and logs how many bytes it sent.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE = 1 << 16


@dataclass
class Exchange:
    """One request and what was sent for it."""

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class Behaviour:
    """How a server answers.

    Attributes:
        ranges: Whether Range is honoured.
        etag: Version of the file; ``None``: not told.
        heeds_if_range: Whether a range of another version is not sent.
        break_after: Bytes of body after which the connection is reset.
        breaks: How many answers break off; the next ones are whole.
        stall_after: Bytes of body after which nothing comes any more.
        length: Send a Content-Length; without it, the end of the connection is the end.
        length_error: Added to the Content-Length that is sent.
        statuses: Status codes of the first answers, with no body.
        retry_after: Retry-After that goes with them.
        content_type: Content-Type that is sent.
        redirect: Where every request is sent.
        range_error: Added to the offset that a partial answer claims and has.
        rate: Bytes a second, 0 for as fast as it goes.
        token: Bearer token that is wanted, given out at ``/token``.
        realm: Where the challenge says that tokens are; ``None``: at ``/token``.
        given: What is given out instead of the token.
        headers: Told with every answer that has a body.
    """

    ranges: bool = True
    etag: str | None = '"v1"'
    heeds_if_range: bool = True
    break_after: int | None = None
    breaks: int = 1_000_000
    stall_after: int | None = None
    length: bool = True
    length_error: int = 0
    statuses: tuple[int, ...] = ()
    retry_after: str | None = None
    content_type: str = "application/octet-stream"
    redirect: str | None = None
    range_error: int = 0
    rate: int = 0
    token: str | None = None
    realm: str | None = None
    given: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Served:
    """A running server.

    Attributes:
        url: Its address, with a file name.
        content: What it serves; may be changed while it runs.
        behaviour: How; may be changed too.
        log: Every exchange so far.
    """

    url: str
    content: bytes
    behaviour: Behaviour
    log: list[Exchange] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def sent(self) -> int:
        """Bytes of body that were sent altogether."""
        return sum(exchange.sent for exchange in self.log)


@contextmanager
def serve(
    content: bytes, behaviour: Behaviour | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[Served]:
    """Serve ``content`` on 127.0.0.1 until the end of the block."""
    served = Served("", content, behaviour or Behaviour())

    class Handler(_Handler):
        state = served

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    served.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/photon.ova"
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def answer_raw(
    answer: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve whatever ``answer`` sends, once a request has come, and give the address."""

    def wrapped(plain: socket.socket) -> socket.socket:
        return tls.wrap_socket(plain, server_side=True) if tls else plain

    def accept() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), wrapped(plain) as connection:
                connection.recv(_PIECE)
                answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/photon.ova"
        listener.shutdown(socket.SHUT_RDWR)


def closed_port() -> int:
    """Return a port on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class _Handler(BaseHTTPRequestHandler):
    """Answers GET as the behaviour says."""

    protocol_version = "HTTP/1.1"
    state: Served

    def log_message(self, *_: object) -> None:
        """Say nothing: the log is ``Served.log``."""

    def do_GET(self) -> None:
        """Answer one request."""
        exchange = Exchange(self.path, dict(self.headers.items()))
        self.state.log.append(exchange)
        behaviour = self.state.behaviour
        number = len(self.state.log) - 1
        if behaviour.redirect:
            self._bare(exchange, 302, {"Location": behaviour.redirect})
        elif behaviour.token and self.path.startswith("/token"):
            self._body(exchange, f'{{"token": "{behaviour.given or behaviour.token}"}}'.encode())
        elif behaviour.token and self.headers["Authorization"] != f"Bearer {behaviour.token}":
            realm = behaviour.realm or self.state.url.replace("photon.ova", "token")
            challenge = f'Bearer realm="{realm}",service="registry",scope="pull"'
            self._bare(exchange, 401, {"WWW-Authenticate": challenge})
        elif number < len(behaviour.statuses):
            wait = {"Retry-After": behaviour.retry_after} if behaviour.retry_after else {}
            self._bare(exchange, behaviour.statuses[number], wait)
        else:
            self._file(exchange)

    def _file(self, exchange: Exchange) -> None:
        """Send the file or the range that is wanted."""
        behaviour, size = self.state.behaviour, len(self.state.content)
        wanted = self.headers["Range"]
        guard = self.headers["If-Range"]
        if (
            not wanted
            or not behaviour.ranges
            or (behaviour.heeds_if_range and guard and guard != behaviour.etag)
        ):
            self._body(exchange, self.state.content)
            return
        offset = int(wanted.removeprefix("bytes=").partition("-")[0]) + behaviour.range_error
        if offset >= size:
            self._bare(exchange, 416, {"Content-Range": f"bytes */{size}"})
            return
        self._body(exchange, self.state.content[offset:], f"bytes {offset}-{size - 1}/{size}")

    def _bare(self, exchange: Exchange, status: int, headers: dict[str, str]) -> None:
        """Send an answer without a body."""
        exchange.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self, exchange: Exchange, body: bytes, content_range: str | None = None) -> None:
        """Send an answer with a body, as well as the behaviour allows."""
        behaviour = self.state.behaviour
        exchange.status = 206 if content_range else 200
        self.send_response(exchange.status)
        if behaviour.length:
            self.send_header("Content-Length", str(len(body) + behaviour.length_error))
        self.send_header("Content-Type", behaviour.content_type)
        for name, value in behaviour.headers.items():
            self.send_header(name, value)
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        try:
            self._send(exchange, memoryview(body))
        except OSError:
            self.close_connection = True

    def _send(self, exchange: Exchange, body: memoryview) -> None:
        """Send a body piece by piece, up to where it breaks off or stalls."""
        behaviour = self.state.behaviour
        is_breaking = behaviour.break_after is not None and behaviour.breaks > 0
        limits = [behaviour.break_after] if is_breaking else []
        end = min(
            len(body), *(n for n in (*limits, behaviour.stall_after) if n is not None), 1 << 62
        )
        for start in range(0, end, _PIECE):
            piece = body[start : min(start + _PIECE, end)]
            self.connection.sendall(piece)
            exchange.sent += len(piece)
            if behaviour.rate:
                time.sleep(len(piece) / behaviour.rate)
        if is_breaking and end < len(body):
            behaviour.breaks -= 1
            self._reset()
        elif end < len(body):
            self.state.ending.wait(30)
        self.close_connection |= behaviour.length_error != 0 or not behaviour.length

    def _reset(self) -> None:
        """End the connection with a reset, once what was sent has been taken."""
        time.sleep(0.1)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.005)
