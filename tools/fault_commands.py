"""The commands that are disturbed, each with a folder that it starts from."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

_SPEC: Final = """\
version: 1
name: {name}
targets: [{targets}]
base: {base}
{install}overlay:
  hostname: {host}
  users: {{ada: {{uid: 1000, ssh_keys: [], groups: [wheel]}}}}
  files: [{{path: /srv/data, source: data}}]
"""


def _spec(name: str, targets: str, base: str, host: str) -> str:
    """Return a spec."""
    install = "install: {disk: /dev/sda}\n" if "iso" in targets else ""
    return _SPEC.format(name=name, targets=targets, base=base, host=host, install=install)


_LOCK_SPEC: Final = """\
version: 1
name: lab
target: ova
base: {sample: true}
overlay:
  docker: {compose_plugin: base}
  compose: {app: {file: compose.yaml}}
"""
_DIGEST: Final = f"sha256:{'1' * 64}"
_INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
_INDEX: Final = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": _INDEX_TYPE,
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": _DIGEST,
                "size": 7,
                "platform": {"os": "linux", "architecture": "amd64"},
            }
        ],
    }
).encode()
_CONTENT: Final = hashlib.shake_256(b"photon").digest(3_000_000)
_EPOCH: Final = "1700000000"


@dataclass(frozen=True)
class Site:
    """A folder in which a command runs.

    Attributes:
        folder: The current folder of the command.
        url: Of a server on loopback.
    """

    folder: Path
    url: str

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return self.folder / "tmp"

    def environment(self) -> dict[str, str]:
        """Return the environment of the program."""
        ours = ("PHOTON_BUILDER", "SUDO_USER", "LD_PRELOAD", "FAULT_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return {
            **kept,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PHOTON_BUILDER_CACHE": str(self.folder / "cache"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "TMPDIR": str(self.temporary),
            "SOURCE_DATE_EPOCH": _EPOCH,
            "NO_COLOR": "1",
            "no_proxy": "*",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the program undisturbed."""
        return subprocess.run(
            [sys.executable, "-m", "builder", *arguments],
            cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def judge_cache(self) -> list[str]:
        """Return what is wrong with the cache."""
        if not (self.folder / "cache").exists():
            return []
        done = self.run("cache", "verify")
        problems = [f"cache verify: {done.returncode} {done.stderr}"] if done.returncode else []
        blobs = self.folder / "cache/blobs"
        for path in blobs.rglob("*"):
            if path.is_file():
                digest = hashlib.new(path.parent.name, path.read_bytes()).hexdigest()
                if digest != path.name:
                    problems.append(f"{path.name} in the cache has another digest")
        left = [path.name for path in (self.folder / "cache").rglob("*.part") if path.is_file()]
        return problems + [f"the cache keeps {name}" for name in left]


@dataclass(frozen=True)
class Command:
    """A command that is disturbed.

    Attributes:
        name: What it is called here.
        prepare: Makes what it starts from.
        given: Its arguments, as a function of the site.
        results: Patterns of what it makes.
        part: How names begin that a kill may leave.
        code: Its exit code.
        varying: Names of files that tell what happened, and when.
        whole: Patterns of other files, each of which is one of those that are made.
    """

    name: str
    prepare: Callable[[Site], None]
    given: Callable[[Site], list[str]]
    results: tuple[str, ...]
    part: str = ".photon-builder-"
    code: int = 0
    varying: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    def arguments(self, site: Site) -> list[str]:
        """Return the arguments of the program."""
        return self.given(site)

    def is_part(self, name: str) -> bool:
        """Return whether a name is a temporary one."""
        return any(part.startswith(self.part) for part in Path(name).parts)


def state_of(site: Site, command: Command, patterns: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the digests of what a command makes, or of other files."""
    found = {}
    for pattern in patterns or command.results:
        for path in sorted(site.folder.glob(pattern)):
            name = str(path.relative_to(site.folder))
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.name == "SHA256SUMS":
                for line in path.read_text().splitlines():
                    found[f"{name} {line[66:]}"] = line[:64]
            elif path.name in command.varying:
                found[name] = "there"
            elif path.is_file():
                with path.open("rb") as stream:
                    found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


_PREPARED: dict[str, Path] = {}


@contextmanager
def open_site(folder: Path, command: Command) -> Iterator[Site]:
    """Make the folder that a command starts from, and a server beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    with _serve(command.name) as url:
        kept = folder.with_name(f"kept-{command.name}")
        if not kept.exists():
            site = Site(folder, url)
            site.temporary.mkdir(parents=True)
            command.prepare(site)
            shutil.copytree(folder, kept, symlinks=True)
        else:
            subprocess.run(["cp", "-a", "--sparse=always", kept, folder], check=True)
        yield Site(folder, url)
        _release(folder)


def _release(folder: Path) -> None:
    """Remove the folder, also what nobody may write."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


_PORTS: Final[dict[str, int]] = {}


@contextmanager
def _serve(name: str) -> Iterator[str]:
    """Serve a base, slowly, and an image's index; the port of a command stays what it was."""
    server = ThreadingHTTPServer(("127.0.0.1", _PORTS.get(name, 0)), _Handler)
    _PORTS[name] = server.server_address[1]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{_PORTS[name]}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers with a base or an index."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer with an index, or slowly with (the rest of) a base."""
        is_index = "/manifests/" in self.path
        body = _INDEX if is_index else _CONTENT
        start = 0
        if wanted := self.headers["Range"]:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Type", _INDEX_TYPE if is_index else "application/octet-stream")
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", '"v1"')
        self.end_headers()
        if self.command == "HEAD":
            return
        with contextlib.suppress(OSError):
            for at in range(start, len(body), 1 << 17):
                self.wfile.write(body[at : min(at + (1 << 17), len(body))])
                if not is_index:
                    time.sleep(0.02)
        time.sleep(0.02)


def _sample_spec(targets: str, base: str = "{sample: true}") -> Callable[[Site], None]:
    """Return what prepares a build whose last artifacts are those of another spec."""

    def prepare(site: Site) -> None:
        site.write("data", hashlib.shake_256(b"data").digest(400_000))
        spec = {"name": "q", "targets": targets, "base": base.replace("URL", site.url)}
        site.write("q.yaml", _spec(host="old", **spec))
        done = site.run("build", "q.yaml")
        if done.returncode:
            raise SystemExit(done.stderr)
        site.write("q.yaml", _spec(host="new", **spec))
        site.write("output/theirs", "not ours")

    return prepare


def _first_spec(targets: str) -> Callable[[Site], None]:
    """Return what prepares a build with nothing there."""

    def prepare(site: Site) -> None:
        site.write("data", b"data" * 1000)
        spec = _spec(name="q", targets=targets, base="{sample: true}", host="new")
        site.write("q.yaml", spec)

    return prepare


def _fetching(site: Site) -> None:
    """Prepare a download."""
    digest = hashlib.sha256(_CONTENT).hexdigest()
    base = f"{{url: '{site.url}/photon.ova', sha256: {digest}}}"
    site.write("data", "x")
    site.write("q.yaml", _spec(name="q", targets="ova", base=base, host="n"))


def _locking(site: Site) -> None:
    """Prepare the pinning of images, one of which is pinned already."""
    host = site.url.removeprefix("http://")
    names = "".join(f"  s{at}: {{image: '{host}/lab/app:{at}'}}\n" for at in range(4))
    site.write("compose.yaml", f"services:\n{names}")
    site.write("lab.yaml", _LOCK_SPEC)
    pin = {"digest": f"sha256:{'2' * 64}", "platforms": {}}
    old = {"schema": "photon-builder/lock/v1", "files": {}, "images": {f"{host}/lab/old:1": pin}}
    site.write("photon-builder.lock", json.dumps(old))


def _adding(site: Site) -> None:
    """Prepare a file that is put into the cache."""
    site.write("photon.ova", _CONTENT)


def _night(site: Site) -> None:
    """Prepare a second night, with one of two specs changed."""
    site.write("specs/data", hashlib.shake_256(b"data").digest(400_000))
    more = {"base": "{sample: true}"}
    site.write("specs/a.yaml", _spec(name="a", targets="ova, gce", host="a", **more))
    site.write("specs/b.yaml", _spec(name="b", targets="iso", host="old", **more))
    done = site.run("nightly")
    if done.returncode:
        raise SystemExit(done.stderr)
    site.write("specs/b.yaml", _spec(name="b", targets="iso", host="new", **more))


def _unpacking(site: Site) -> None:
    """Prepare an image that is unpacked into a file."""
    _first_spec("rpi3")(site)
    done = site.run("build", "q.yaml")
    if done.returncode:
        raise SystemExit(done.stderr)
    (site.folder / "output/q.rpi3.raw.xz").rename(site.folder / "card.raw.xz")
    shutil.rmtree(site.folder / "output")
    site.write("card.raw", "an older file")


def _build(targets: str, name: str = "") -> list[Command]:
    """Return builds of targets, where artifacts lie and where none do."""
    name = name or targets
    given = lambda _: ["build", "q.yaml"]  # noqa: E731
    return [
        Command(f"build-{name}", _sample_spec(targets), given, ("output/*", "output/.*")),
        Command(f"first-{name}", _first_spec(targets), given, ("output/*", "output/.*")),
    ]


_NIGHTS: Final = ("output/nightly/latest/*", "output/nightly/.*")
COMMANDS: Final = {
    command.name: command
    for command in (
        Command("fetch", _fetching, lambda _: ["fetch", "q.yaml"], ("cache/blobs/*/*",)),
        Command("lock", _locking, lambda _: ["lock", "lab.yaml"],
                ("photon-builder.lock", ".photon*")),
        Command("cache-add", _adding,
                lambda site: ["cache", "add", "photon.ova", "--as", f"{site.url}/photon.ova"],
                ("cache/blobs/*/*",)),
        *_build("ova"), *_build("iso"), *_build("gce"), *_build("azure"), *_build("rpi3"),
        *_build("ova, iso, gce, rpi3", "all"),
        Command("nightly", _night, lambda _: ["nightly"], _NIGHTS, ".making-",
                varying=("summary.json", "status.json"), whole=("output/nightly/2*/*",)),
        Command("unpack", _unpacking,
                lambda _: ["burn", "card.raw.xz", "--to-file", "card.raw", "--yes"],
                ("*.raw", ".photon*")),
    )
}  # fmt: skip
