"""Repositories of signed packages, served on loopback as Photon's are."""

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.bases import Base
from tests.support.program import Bench
from tests.support.rpms import Made, build_rpm, make_repository
from tests.support.signing import Signatory

REPO = """\
[{name}]
name=Packages of the tests
baseurl={address}
gpgkey=file:///etc/pki/rpm-gpg/TEST-KEY
gpgcheck=1
enabled={enabled}
"""


@dataclass(frozen=True, slots=True)
class ServedFolder:
    """A folder that is served.

    Attributes:
        address: Of the folder; ends with a slash.
        asked: Paths that were asked for so far.
    """

    address: str
    asked: list[str] = field(default_factory=list)


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, asked: list[str], directory: str) -> None:
        self.asked = asked
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@contextmanager
def serve_folder(folder: Path) -> Iterator[ServedFolder]:
    """Serve a folder on 127.0.0.1 until the end of the block."""
    asked: list[str] = []
    handler = partial(_Quiet, asked=asked, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield ServedFolder(f"http://127.0.0.1:{server.server_port}/", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_signed_repository(folder: Path, packages: Sequence[Made], signatory: Signatory) -> None:
    """Build packages, sign them and write the metadata of a repository."""
    folder.mkdir(parents=True)
    for made in packages:
        signatory.copy_of(build_rpm(folder / "made", made), folder / made.arch)
    shutil.rmtree(folder / "made")
    make_repository(folder)


def repo_text(address: str, name: str = "photon", *, enabled: bool = True) -> str:
    """Return the .repo file of a repository."""
    return REPO.format(name=name, address=address, enabled=int(enabled))


def with_own_packages(bench: Bench, plain: Base, files: Mapping[str, Path]) -> Path:
    """Return a base that holds files, and no repository of Photon; built by the program."""
    bench.directory.mkdir()
    names = ("-updates", "-extras", "-debuginfo", "-srpms")
    own = [f"/etc/yum.repos.d/photon{name}.repo" for name in names]
    rows = "".join(f"    - {{path: {path}, absent: true}}\n" for path in own)
    rows += "".join(f"    - {{path: {path}, source: {source}}}\n" for path, source in files.items())
    text = (
        f"version: 1\nname: base\ntargets: [ova]\nbase: {{file: {plain.path}}}\n"
        f"overlay:\n  files:\n{rows}"
    )
    return bench.build(bench.write("base.yaml", text))
