"""A registry on loopback that has an image layout, and behaves badly in one chosen way."""

import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.images import INDEX, MANIFEST

_LARGE = 2000
"""Bytes from which on a blob is a layer, and treated badly."""


@dataclass
class Conduct:
    """How a registry behaves.

    Attributes:
        changes: Whether a byte of each layer is another one.
        adds: Bytes that come behind the end of each layer.
        cuts: How many answers break off in the middle, a layer.
        ranges: Whether Range is honoured.
        throttles: How many answers are 429, a layer.
        login: ``user:password`` that is wanted.
        gives_token: Whether the login is wanted for a token, not for the blobs themselves.
        token: What is given for a token.
        storage: Another address that layers are at.
    """

    changes: bool = False
    adds: int = 0
    cuts: int = 0
    ranges: bool = True
    throttles: int = 0
    login: str = ""
    gives_token: bool = False
    token: str = "good"
    storage: str = ""


@dataclass
class Asked:
    """What a registry was asked.

    Attributes:
        host: Address and port, as image names begin.
        counts: Requests by path.
        sent: Value of each Authorization header that came, with its path.
    """

    host: str
    counts: Counter[str] = field(default_factory=Counter)
    sent: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serve_badly(layout: Path, top: dict[str, Any], conduct: Conduct) -> Iterator[Asked]:
    """Serve a layout whose tag is ``top`` until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    asked = Asked(f"127.0.0.1:{server.server_address[1]}")
    about = {"layout": layout, "tag": top["digest"], "conduct": conduct, "asked": asked}
    server.RequestHandlerClass = type("Handler", (_Handler,), about)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers as its class says."""

    protocol_version = "HTTP/1.1"
    layout: Path
    tag: str
    conduct: Conduct
    asked: Asked

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.counts[self.path] += 1
        given = self.headers.get("Authorization", "")
        self.asked.sent += [(self.path, given)] if given else []
        basic = f"Basic {b64encode(self.conduct.login.encode()).decode()}"
        if self.path.startswith("/token"):
            fits = given == (basic if self.conduct.login else "")
            token = f'{{"token": "{self.conduct.token}"}}'.encode()
            self.answer(200 if fits else 401, token if fits else b"")
        elif self.conduct.gives_token and given != "Bearer good":
            realm = f'realm="http://{self.asked.host}/token",service="r",scope="s"'
            self.answer(401, b"", WWW_Authenticate=f"Bearer {realm}")
        elif self.conduct.login and not self.conduct.gives_token and given != basic:
            self.answer(401, b"", WWW_Authenticate='Basic realm="here"')
        else:
            self.give(self.path.rpartition("/")[2])

    def give(self, reference: str) -> None:
        digest = reference if reference.startswith("sha256:") else self.tag
        path = self.layout / "blobs" / digest.replace(":", "/")
        if not path.is_file():
            self.answer(404, b"")
        elif "/manifests/" in self.path:
            body = path.read_bytes()
            is_index = b'"manifests"' in body
            self.answer(200, body, Content_Type=INDEX if is_index else MANIFEST)
        elif path.stat().st_size < _LARGE:
            self.answer(200, path.read_bytes())
        else:
            self.give_layer(path.read_bytes())

    def give_layer(self, body: bytes) -> None:
        count, conduct = self.asked.counts[self.path], self.conduct
        if conduct.changes:
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        body += bytes(conduct.adds)
        told = self.headers.get("Range", "")
        start = int(told.removeprefix("bytes=").partition("-")[0]) if told else 0
        cut = count <= conduct.cuts
        if conduct.storage:
            self.answer(307, b"", Location=f"{conduct.storage}{self.path}")
        elif count <= conduct.throttles:
            self.answer(429, b"", Retry_After="0")
        elif start and conduct.ranges:
            where = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.answer(206, body[start:], cut=cut, Content_Range=where)
        else:
            self.answer(200, body, cut=cut)

    def answer(self, status: int, body: bytes, *, cut: bool = False, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut
