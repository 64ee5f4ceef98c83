"""Images packed by foreign tools, and a folder of them on a plain web server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.judges import judge


def pack(image: Path, kind: str, folder: Path) -> Path:
    """Pack an image with a foreign tool."""
    target = folder / f"disk.{kind}"
    disk = folder / "disk.raw"
    if not disk.exists():
        judge("cp", "--sparse=always", image, disk)
        disk.chmod(0o644)
    line = {
        "raw": "test -s {}",
        "dense": "cat disk.raw > {}",
        "gz": "gzip -1 -c disk.raw > {}",
        "xz": "xz -0 -T2 -c disk.raw > {}",
        "zst": "zstd -q -1 -c disk.raw > {}",
        "tar.gz": "tar -c disk.raw | gzip -1 > {}",
        "tar.xz": "tar -Sc disk.raw | xz -0 > {}",
    }[kind].format(target.name)
    judge("sh", "-ec", f"cd '{folder}'; {line}")
    return target


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder, without Range, and yield its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
