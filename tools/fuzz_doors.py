"""The doors of the program: each takes what somebody else wrote, and answers with a sentence."""

import contextlib
import io
import json
import os
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from builder.errors import BuilderError
from builder.guestpath import guest
from tools.fuzz_mutate import (
    BOMBS,
    mutate_bytes,
    mutate_text,
    mutate_value,
    repair_gpt,
    repair_tar,
    write_field,
)
from tools.fuzz_seeds import GUEST_TEXTS, Seeds

_BUG: Final = 1
_SPEC_CODES: Final = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})


class FindingError(Exception):
    """The program did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to try.

    Attributes:
        seeds: What is changed.
        folder: An empty folder of its own.
        rng: Where chance comes from.
    """

    seeds: Seeds
    folder: Path
    rng: random.Random


Door = Callable[[Case], None]


def command(*arguments: str | Path) -> tuple[int, str]:
    """Run a command of the program in this process; returns its code and all it said.

    Raises:
        FindingError: it showed a bug.
    """
    from builder.cli import run

    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(map(str, arguments)))
    said = err.getvalue()
    is_fine = code in _SPEC_CODES or (arguments[0] == "diff" and code == 1)
    if not is_fine or "this is a bug" in said or "Traceback" in said:
        raise FindingError(f"{' '.join(map(str, arguments))}: exit {code}\n{said[-3000:]}")
    return code, said


def spec_values(case: Case) -> None:
    """A spec with another value somewhere."""
    rng, value = case.rng, case.rng.choice(case.seeds.values)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = mutate_value(value, rng, case.seeds.values)
    try:
        text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, RecursionError):
        return
    _check_spec(case, text.encode("utf-8", "surrogatepass"))


def spec_text(case: Case) -> None:
    """A spec with other letters somewhere, or one that is made to take long."""
    rng = case.rng
    if rng.random() < 0.1:
        bomb = rng.choice(list(BOMBS.values()))
        _check_spec(case, f"{rng.choice(list(case.seeds.specs.values()))}\n{bomb}".encode())
        return
    _check_spec(case, mutate_text(rng.choice(list(case.seeds.specs.values())), rng))


def overlay(case: Case) -> None:
    """A folder of an overlay, of which one file is odd."""
    folder = case.folder / "overlays/pihole"
    shutil.copytree(case.seeds.folder / "overlays/pihole", folder)
    name = case.rng.choice(("overlay.yaml", "compose.yaml"))
    (folder / name).write_bytes(mutate_text((folder / name).read_text(), case.rng))
    spec = case.seeds.specs[case.rng.choice(("homelab", "pihole-rpi3"))]
    _check_spec(case, spec.encode())


def compose(case: Case) -> None:
    """A compose file and its .env."""
    rng, texts = case.rng, case.seeds.texts
    project = case.folder / "specs/app"
    project.mkdir(parents=True)
    text, env = texts["compose"].encode(), texts["env"].encode()
    match rng.randrange(3):
        case 0:
            value = mutate_value(yaml.safe_load(texts["compose"]), rng)
            with contextlib.suppress(yaml.YAMLError, RecursionError):
                text = yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")
        case 1:
            text = mutate_text(texts["compose"], rng)
        case _:
            env = mutate_text(texts["env"], rng)
    (project / "compose.yaml").write_bytes(text)
    (project / ".env").write_bytes(env)
    (project / "web.env").write_bytes(mutate_text(texts["env"], rng))
    (project / "pw.txt").write_text("x")
    (project / "conf").mkdir()
    _check_spec(
        case,
        b"version: 1\nname: a\ntarget: ova\nbase: {sample: true}\noverlay: {compose: [app]}\n",
    )


def lock(case: Case) -> None:
    """A lock file beside a spec."""
    rng, text = case.rng, case.seeds.texts["lock"]
    folder = case.folder / "specs"
    folder.mkdir()
    changed = json.dumps(mutate_value(json.loads(text), rng), default=str).encode()
    data = changed if rng.random() < 0.6 else mutate_text(text, rng)
    (folder / "photon-builder.lock").write_bytes(data)
    _check_spec(case, case.seeds.specs["quickstart"].encode())


def beside(case: Case) -> None:
    """SHA256SUMS and provenance beside an artifact."""
    from builder.artifact import read_sums, write_sums

    rng, output = case.rng, case.seeds.folder / "output"
    shutil.copy(output / "seed.ova", case.folder)
    (case.folder / "SHA256SUMS").write_bytes(mutate_text(case.seeds.texts["sums"], rng))
    text = case.seeds.texts["provenance"]
    changed = json.dumps(mutate_value(json.loads(text), rng), default=str).encode()
    data = changed if rng.random() < 0.7 else mutate_text(text, rng)
    (case.folder / "seed.ova.provenance.json").write_bytes(data)
    artifact = case.folder / "seed.ova"
    match rng.randrange(3):
        case 0:
            command("verify", artifact, case.seeds.folder / "specs/seed.yaml")
        case 1:
            command("os-list", case.folder, "--url", "http://x/")
        case _:
            with contextlib.suppress(BuilderError):
                write_sums(artifact, "0" * 64)
                if read_sums(case.folder).get("seed.ova") != "0" * 64:
                    raise FindingError("SHA256SUMS lost its line")


def guest_texts(case: Case) -> None:
    """Texts of a guest that the program edits: what was done is not to do again."""
    from builder import targets
    from builder.blob import Blob
    from builder.carriers.edit import operations
    from builder.changes import WriteFile
    from builder.cli.options import find_spec
    from builder.engine.memory import MemoryTree
    from builder.facts import facts_of
    from builder.features import discover
    from builder.plan import make_plan
    from builder.sample.nodes import make_operations
    from builder.spec import load_spec

    rng, facts = case.rng, facts_of("5.0", image=rng_image(case.rng))
    root = MemoryTree()
    for op in make_operations(facts):
        root.apply(op)
    paths = [path for path in GUEST_TEXTS if root.lstat(guest(path)) is not None]
    for path in rng.sample(paths, rng.choice((1, 1, 2, 3))):
        node = root.lstat(guest(path))
        if node is None or node.target:
            continue
        text = b"".join(root.chunks(guest(path))).decode("utf-8", "surrogateescape")
        data = mutate_text(text, rng)
        root.apply(WriteFile(guest(path), Blob.of(data), node.mode))
    name = rng.choice(GUEST_SPECS)
    folder = case.folder / "a.yaml"
    folder.write_text(f"version: 1\nname: a\ntarget: ova\nbase: {{sample: true}}\noverlay:\n{name}")
    spec = load_spec(find_spec(str(folder)), targets=targets.discover())
    steps = make_plan(spec, discover(), facts=facts).steps
    try:
        for op in operations(root, steps, 1_700_000_000):
            root.apply(op)
    except BuilderError:
        return
    again = operations(root, steps, 1_700_000_000)
    if again:
        raise FindingError(f"there is still something to do: {again[0]!r:.300}")


def rng_image(rng: random.Random) -> str:
    """Return an image of which there is a sample."""
    return rng.choice(("ova", "rpi3", "gce"))


GUEST_SPECS: Final = (
    "  hostname: n\n",
    "  users: {ada: {uid: 1500, groups: [wheel, docker], ssh_keys: []}}\n",
    f"  users: {{root: {{password: {{hash: '$6$abcdefgh${'y' * 86}'}}, expire: never}}}}\n",
    "  groups: {staff: 1600}\n",
    "  mounts: [{source: 'h:/x', path: /mnt/x, type: nfs}]\n",
    "  kernel: {add: [quiet, 'a=b'], remove: [rw]}\n",
    "  ssh: {password: false, port: 2222}\n",
    "  journal: {max_use: 64M}\n",
    "  timezone: Europe/Berlin\n",
    "  locale: en_US.UTF-8\n",
    "  hosts: {10.0.0.1: [a, b]}\n",
    "  ntp: {servers: [a.example, b.example]}\n",
    "  packages: [vim]\n",
    "  docker: {daemon: {log-driver: local}}\n",
    "  proxy: {http: 'http://p:3128'}\n",
    "  swap: {size: 64MiB}\n",
)


def appliance(case: Case) -> None:
    """An OVA: its archive, its descriptor, and the disk in it."""
    rng = case.rng
    data = bytearray((case.seeds.folder / "output/seed.ova").read_bytes())
    if rng.random() < 0.4:
        start, end = _between(data, b"<?xml", b"</Envelope>")
        text = mutate_text(data[start:end].decode(), rng)
        data[start:end] = text.ljust(end - start, b" ")[: end - start]
    elif rng.random() < 0.7:
        start = data.find(b"KDMV")
        for _ in range(rng.choice((1, 2, 5))):
            write_field(data, start + rng.choice((rng.randrange(80), rng.randrange(70_000))), rng)
    else:
        data = bytearray(mutate_bytes(bytes(data), rng))
    if rng.random() < 0.8:
        data = bytearray(repair_tar(bytes(data)))
    path = case.folder / "seed.ova"
    path.write_bytes(data)
    _look(case, path)
    if rng.random() < 0.2:
        _build_on(case, path, "ova")


def medium(case: Case) -> None:
    """An ISO: descriptors, path tables, directories, boot catalog."""
    rng = case.rng
    data = bytearray((case.seeds.folder / "output/seed.iso").read_bytes())
    for _ in range(rng.choice((1, 1, 2, 4))):
        block = rng.choice((16, 17, 18, 19, *range(16, 80), rng.randrange(len(data) // 2048)))
        write_field(data, block * 2048 + rng.randrange(2048), rng)
    path = case.folder / "seed.iso"
    path.write_bytes(data)
    _look(case, path)
    if rng.random() < 0.2:
        _build_on(case, path, "iso")


def packed(case: Case) -> None:
    """Compressed disks, whole or cut, and what other programs pack."""
    rng = case.rng
    name = rng.choice(("seed.rpi3.raw.xz", "seed.gce.tar.gz", "seed.azure.vhd.tar.gz"))
    data = (case.seeds.folder / "output" / name).read_bytes()
    odd = (
        b"PK\3\4",
        b"BZh9",
        b"\x04\x22\x4d\x18",
        b"\x28\xb5\x2f\xfd",
        b"QFI\xfb",
        b"\x1f\x8b\x08",
    )
    if rng.random() < 0.15:
        data = rng.choice(odd) + data[4:]
    path = case.folder / name
    path.write_bytes(mutate_bytes(data, rng))
    command("inspect", path)
    if rng.random() < 0.3:
        command("burn", path, "--to-file", case.folder / "out.raw")


def disk(case: Case) -> None:
    """A raw disk: partition tables, ext4 without checksums, FAT."""
    rng, path = case.rng, case.seeds.folder / "disk.raw"
    with patched(path, rng) as changed:
        command(*rng.choice((("inspect",), ("ls", "-R"), ("ls", "--json", "-R"))), changed)
        if rng.random() < 0.4:
            command("cat", changed, rng.choice(GUEST_TEXTS))
        if rng.random() < 0.3:
            command("verify", changed, case.seeds.folder / "specs/seed.yaml", "--target", "rpi3")


@contextlib.contextmanager
def patched(path: Path, rng: random.Random) -> Iterator[Path]:
    """Change fields of a disk where it holds something, and put them back."""
    blocks = used_blocks(path)
    undo: list[tuple[int, bytes]] = []
    with path.open("r+b", buffering=0) as stream:
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            at = rng.choice(blocks[: rng.choice((2, 40, len(blocks)))]) * 4096
            piece = bytearray(os.pread(stream.fileno(), 4096, at))
            undo.append((at, bytes(piece)))
            for _ in range(rng.choice((1, 2))):
                write_field(piece, rng.randrange(4096), rng)
            if at == 0:
                repair_gpt(piece)
            os.pwrite(stream.fileno(), piece, at)
        try:
            yield path
        finally:
            for at, before in reversed(undo):
                os.pwrite(stream.fileno(), before, at)


_BLOCKS: dict[Path, list[int]] = {}


def used_blocks(path: Path) -> list[int]:
    """Return the blocks of 4 KiB of a file that hold something."""
    if path not in _BLOCKS:
        found, at = [], 0
        with path.open("rb", buffering=0) as stream:
            fd, size = stream.fileno(), path.stat().st_size
            while at < size:
                try:
                    at = os.lseek(fd, at, os.SEEK_DATA)
                except OSError:
                    break
                end = os.lseek(fd, at, os.SEEK_HOLE)
                blocks = range(at // 4096, -(-end // 4096))
                found += [one for one in blocks if any(os.pread(fd, 4096, one * 4096))]
                at = end
        _BLOCKS[path] = found
    return _BLOCKS[path]


_RPM_HEADER: Final = (
    bytes.fromhex("edabeedb03000000")
    + bytes(88)
    + bytes.fromhex("8eade801000000000000000100000010000003e8000000060000000000000001")
    + b"name\0"
    + bytes(60)
)
_PLATFORM: Final = {"os": "linux", "architecture": "arm", "variant": "v7"}
_INDEX: Final = {
    "schemaVersion": 2,
    "manifests": [{"digest": f"sha256:{'1' * 64}", "platform": _PLATFORM}],
}
_DESCRIPTOR: Final = b"""\
# Disk DescriptorFile
version=1
CID=123
parentCID=ffffffff
createType="streamOptimized"
RW 1000 SPARSE "a.vmdk"
ddb.adapterType = "lsilogic"
"""


def functions(case: Case) -> None:
    """Parsers that take bytes."""
    from builder.formats import bmap, oci, rpm
    from builder.formats.ovf.envelope import parse_envelope
    from builder.formats.ovf.manifest import parse_manifest
    from builder.formats.vmdk.descriptor import parse_descriptor

    rng, index = case.rng, "application/vnd.oci.image.index.v1+json"
    bmap_path = case.seeds.folder / "output/seed.rpi3.raw.xz.bmap"
    given: tuple[tuple[Callable[[bytes], object], bytes], ...] = (
        (lambda data: parse_envelope(data, name="a"), _ovf(case)),
        (lambda data: parse_manifest(data, name="a"), b"SHA256(a.ovf)= " + b"a" * 64 + b"\n"),
        (lambda data: parse_descriptor(data, "a"), _DESCRIPTOR),
        (lambda data: oci.parse_manifest(data, index), json.dumps(_INDEX).encode()),
        (oci.parse_platform, b'{"architecture":"amd64","os":"linux"}'),
        (lambda data: rpm.read_header(io.BytesIO(data), "a"), _RPM_HEADER),
        (lambda data: bmap.read_size(data.decode("utf-8", "replace")), bmap_path.read_bytes()),
    )
    function, data = rng.choice(given)
    text = mutate_text(data.decode("latin-1"), rng)
    with contextlib.suppress(BuilderError):
        function(rng.choice((mutate_bytes(data, rng), text)))


def http(case: Case) -> None:
    """Answers of a server: headers, lengths, ranges, redirects, that lie."""
    from builder.cache import Cache
    from builder.catalog import Source
    from builder.fetch import RetryPolicy, fetch
    from builder.progress import Silent

    rng = case.rng
    body = bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 500))))
    answer = _answer(rng, body)
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    done = threading.Event()
    thread = threading.Thread(target=_serve, args=(server, answer, done, rng.random() < 0.2))
    thread.start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/a.raw"
    import hashlib

    digest = hashlib.sha256(body).hexdigest()
    policy = RetryPolicy(
        attempts=2, connect=0.3, read=0.3, first_wait=0.01, longest_wait=0.02, whole=1
    )
    cache = Cache(case.folder / "cache")
    try:
        with contextlib.suppress(BuilderError):
            got = fetch(Source("a.raw", (url,), {"sha256": digest}), cache, Silent(), policy=policy)
            if got.path.read_bytes() != body:
                raise FindingError("another file entered the cache")
    finally:
        done.set()
        thread.join()
        server.close()


_STATUS: Final = (
    *("200 OK", "206 Partial Content", "302 Found", "301 M", "100 Continue", "416 Range"),
    *("503 Busy", "401 U", "204 No", "999 x", "abc", ""),
)
_LOCATIONS: Final = (
    *("/a.raw", "ftp://x/", "file:///etc/passwd", "http://[", "//", "http://127.0.0.1:1/", ""),
)
_RANGES: Final = ("0-1/2", "5-1/2", "*/*", "0-/x", "9" * 5000 + "-1/1")


def _answer(rng: random.Random, body: bytes) -> bytes:
    """Return an answer that is not quite right."""
    lines = [
        f"Content-Length: {rng.choice((len(body), len(body) + 5, 0, -1, '9' * 30, 'x', ''))}",
        f"Content-Range: bytes {rng.choice(_RANGES)}",
        f"Location: {rng.choice(_LOCATIONS)}",
        f"Content-Encoding: {rng.choice(('gzip', 'br', 'identity', 'deflate, gzip'))}",
        "Transfer-Encoding: chunked",
        f"ETag: {rng.choice(('a', 'W/' + chr(34), chr(34) * 3))}",
        f"Retry-After: {rng.choice(('0', '-1', '9' * 40, 'Fri, 99 Foo', 'soon'))}",
        'WWW-Authenticate: Bearer realm="http://[x",scope=',
        "X: " + "y" * rng.choice((10, 70_000)),
        *("no colon", " folded", "A: \xe9\xff", "Content-Length: 3"),
    ]
    chosen = rng.sample(lines, rng.randrange(6))
    if rng.random() < 0.5:
        chosen.insert(0, lines[0])
    head = f"HTTP/1.{rng.choice('019')} {rng.choice(_STATUS)}\r\n" + "\r\n".join(chosen)
    whole = f"{head}\r\n\r\n".encode("latin-1") + body
    return mutate_bytes(whole, rng) if rng.random() < 0.3 else whole


def _serve(server: socket.socket, answer: bytes, done: threading.Event, holds: bool) -> None:
    """Answer everybody the same until it is over."""
    held = []
    while not done.is_set():
        try:
            connection, _ = server.accept()
        except OSError:
            continue
        with contextlib.suppress(OSError):
            connection.settimeout(0.3)
            connection.recv(4096)
            connection.sendall(answer)
        held.append(connection)
        if not holds:
            connection.close()
    for connection in held:
        connection.close()


def _ovf(case: Case) -> bytes:
    """Return the descriptor of an appliance."""
    data = (case.seeds.folder / "output/seed.ova").read_bytes()
    start, end = _between(data, b"<?xml", b"</Envelope>")
    return data[start:end]


def _between(data: bytes | bytearray, first: bytes, last: bytes) -> tuple[int, int]:
    """Return where something begins and ends."""
    start = max(0, data.find(first))
    end = data.find(last, start)
    return start, (end + len(last) if end >= 0 else min(len(data), start + 4096))


def _check_spec(case: Case, text: bytes) -> None:
    """Have a spec checked, now and then planned."""
    folder = case.folder / "specs"
    folder.mkdir(exist_ok=True)
    path = folder / "a.yaml"
    path.write_bytes(text)
    code, _ = command("check", path)
    if code == 0 or case.rng.random() < 0.1:
        command("plan", path, "--base", "sample")


def _look(case: Case, path: Path) -> None:
    """Have an artifact read by one of the commands that do."""
    rng = case.rng
    ways: tuple[tuple[str | Path, ...], ...] = (
        ("inspect", path),
        ("ls", "-R", path),
        ("cat", path, "/etc/os-release"),
        ("verify", path, case.seeds.folder / "specs/seed.yaml"),
        ("diff", path, case.seeds.folder / "output" / path.name),
    )
    command(*rng.choice(ways))


def _build_on(case: Case, base: Path, target: str) -> None:
    """Build on a changed base; what comes out is what foreign programs can read."""
    spec = case.folder / "b.yaml"
    options = "install: {disk: /dev/sda}\n" if target == "iso" else ""
    spec.write_text(
        f"version: 1\nname: b\ntarget: {target}\nbase: {{file: {base}}}\n{options}"
        "overlay: {hostname: b}\n"
    )
    code, _ = command("build", spec, "--output", case.folder / "out")
    if code:
        return
    made = case.folder / "out" / f"b.{target}"
    code, said = command("verify", made, spec)
    if code:
        raise FindingError(f"built, but not sound: {said}")
    if target == "ova":
        judge = ["sh", "-c", f"cd {case.folder} && tar -xf {made} && qemu-img check -q *.vmdk"]
    else:
        judge = ["xorriso", "-indev", str(made), "-find", "/", "-exec", "lsdl"]
    done = subprocess.run(judge, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode and shutil.which(judge[0]):
        raise FindingError(f"built, but a foreign reader refuses it: {done.stderr[-500:]}")


DOORS: Final[dict[str, Door]] = {
    door.__name__: door
    for door in (
        spec_values, spec_text, overlay, compose, lock, beside, guest_texts,
        functions, http, appliance, medium, packed, disk,
    )
}  # fmt: skip
