"""More doors: what only some commands or some artifacts bring to the program."""

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from builder.errors import BuilderError
from tools.fuzz_doors import Case, Door, FindingError, command
from tools.fuzz_mutate import mutate_bytes, mutate_text, mutate_value, repair_gpt, write_field

_SECTOR: Final = 512
_DIGEST: Final = f"sha256:{'1' * 64}"
_OCI: Final = "application/vnd.oci.image"
_PLATFORM: Final = {"os": "linux", "architecture": "amd64"}
_ANSWERS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (f"{_OCI}.index.v1+json", {
        "schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json",
        "manifests": [{"digest": _DIGEST, "size": 7, "platform": _PLATFORM}],
    }),
    (f"{_OCI}.manifest.v1+json", {
        "schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json",
        "config": {"digest": _DIGEST, "size": 7}, "layers": [{"digest": _DIGEST, "size": 7}],
    }),
    ("application/json", {"token": "x", "access_token": "y", "expires_in": 300}),
    ("application/json", {"errors": [{"code": "DENIED", "message": "no", "detail": {}}]}),
)  # fmt: skip
_HEADERS: Final = (
    *("Docker-Content-Digest: sha256:" + "2" * 64, "Docker-Content-Digest: x", "Retry-After: 1e9"),
    *('WWW-Authenticate: Bearer realm="http://127.0.0.1:1/t",service="a"', "Location: /v2/"),
    *("WWW-Authenticate: Basic", 'WWW-Authenticate: Bearer realm="', "Content-Encoding: gzip"),
)


def catalog(case: Case) -> None:
    """The list of what was published."""
    from builder.catalog import read_catalog

    rng, text = case.rng, case.seeds.texts["catalog"]
    value = json.loads(text)
    changed = json.dumps(mutate_value(value, rng), default=str).encode("utf-8", "surrogatepass")
    path = case.folder / "releases.yaml"
    path.write_bytes(changed if rng.random() < 0.6 else mutate_text(text, rng))
    with contextlib.suppress(BuilderError):
        read_catalog(path)


def bundle(case: Case) -> None:
    """A plan as a document, and the archive that it lies in: carried out on a folder."""
    rng, path = case.rng, case.folder / "bundle.pyz"
    members = _bundle(case)
    if rng.random() < 0.7:
        text = members["plan.json"].decode()
        value = json.dumps(mutate_value(json.loads(text), rng), default=str)
        changed = value.encode("utf-8", "surrogatepass")
        members = {
            **members,
            "plan.json": changed if rng.random() < 0.7 else mutate_text(text, rng),
        }
    if rng.random() < 0.2:
        name = rng.choice(list(members))
        members = {**members, name: mutate_bytes(members[name], rng)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    data = out.getvalue()
    path.write_bytes(mutate_bytes(data, rng) if rng.random() < 0.3 else data)
    outside = case.folder / "outside"
    outside.mkdir()
    root = _root(case.folder / "root")
    _engine(path, root, rng.choice(("check", "apply", "record")))
    if list(outside.iterdir()) or {one.name for one in case.folder.iterdir()} - _EXPECTED:
        raise FindingError("something was written outside of the folder")


_EXPECTED: Final = frozenset({"bundle.pyz", "outside", "root", "record.txt"})


def _engine(path: Path, root: Path, verb: str) -> None:
    """Run the engine in the bundle as the installer does."""
    from builder.engine.__main__ import main

    words = ["apply" if verb == "record" else verb, str(root)]
    words += ["--record", str(path.with_name("record.txt"))] if verb == "record" else []
    before, sys.argv = sys.argv, [str(path)]
    err = io.TextIOWrapper(io.BytesIO(), "utf-8")
    try:
        with contextlib.redirect_stderr(err):
            code = main(words)
    finally:
        sys.argv = before
    if code not in {0, 1, 2}:
        raise FindingError(f"the engine ended with {code}")


def _root(folder: Path) -> Path:
    """Make a small system, with a link that leads out of it."""
    for name in ("etc", "usr/bin", "var", "root"):
        (folder / name).mkdir(parents=True)
    texts = {
        "passwd": "root:x:0:0:root:/root:/bin/bash\n", "group": "root:x:0:\nwheel:x:10:\n",
        "shadow": "root:*:1:0:99999:7:::\n", "gshadow": "root:::\n", "hosts": "127.0.0.1 a\n",
        "os-release": 'ID=photon\nVERSION_ID="5.0"\n',
    }  # fmt: skip
    for name, text in texts.items():
        (folder / "etc" / name).write_text(text)
    (folder / "opt").symlink_to("../outside")
    return folder


_BUNDLES: Final[dict[Path, dict[str, bytes]]] = {}


def _bundle(case: Case) -> dict[str, bytes]:
    """Return the members of the bundle of a medium, but for the program."""
    iso = case.seeds.folder / "output/seed.iso"
    if iso not in _BUNDLES:
        from builder.formats.iso9660 import open_iso

        with open_iso(iso) as image:
            data = b"".join(image.chunks("/photon-builder/bundle.pyz"))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _BUNDLES[iso] = {
                name: archive.read(name) for name in archive.namelist() if ".py" not in name
            }
    return dict(_BUNDLES[iso])


def tables(case: Case) -> None:
    """A disk with a GPT, and a footer of VHD: their fields, with checksums made right again."""
    rng, name = case.rng, case.rng.choice(("gce", "azure"))
    path = next((case.seeds.folder / f"unpacked-{name}").iterdir())
    with _patched_tables(path, rng) as changed:
        command(*rng.choice((("inspect",), ("ls", "-R"), ("verify",))), changed)


def unpack(seeds: Path, name: str) -> None:
    """Unpack the disk of a cloud."""
    kind = {"gce": "gce.tar.gz", "azure": "azure.vhd.tar.gz"}[name]
    folder = seeds / f"unpacked-{name}"
    folder.mkdir()
    packed = str(seeds / f"output/seed.{kind}")
    subprocess.run(["tar", "-xSf", packed, "-C", str(folder)], check=True)
    for disk in folder.iterdir():
        subprocess.run(["fallocate", "-d", disk], check=False)


@contextlib.contextmanager
def _patched_tables(path: Path, rng: random.Random) -> Iterator[Path]:
    """Change fields of tables and footer, and put them back."""
    size = path.stat().st_size
    is_vhd = path.suffix == ".vhd"
    end = size - _SECTOR if is_vhd else size
    with path.open("r+b", buffering=0) as stream:
        places = ((0, 34 * _SECTOR), (end - 33 * _SECTOR, size - end + 33 * _SECTOR))
        kept = [(at, os.pread(stream.fileno(), length, at)) for at, length in places]
        first, last = (bytearray(data) for _, data in kept)
        for _ in range(rng.choice((1, 1, 2, 5))):
            piece = rng.choice((first, first, last))
            area = rng.choice(((0, 512), (512, 604), (1024, 1024 + 512)))
            if piece is last:
                area = (len(last) - 512, len(last)) if is_vhd else (0, len(last))
            write_field(piece, rng.randrange(*area), rng)
        if rng.random() < 0.9:
            repair_gpt(first)
        if is_vhd and rng.random() < 0.9:
            last[-512:] = _repaired_footer(last[-512:])
        os.pwrite(stream.fileno(), first, 0)
        os.pwrite(stream.fileno(), last, places[1][0])
        try:
            yield path
        finally:
            for at, data in kept:
                os.pwrite(stream.fileno(), data, at)
            os.ftruncate(stream.fileno(), size)


def _repaired_footer(footer: bytearray) -> bytearray:
    """Make the checksum of a VHD's footer right again."""
    footer[64:68] = bytes(4)
    footer[64:68] = (~sum(footer) & 0xFFFFFFFF).to_bytes(4, "big")
    return footer


def rich_medium(case: Case) -> None:
    """An ISO with Joliet, zisofs, long names and directories that were moved."""
    rng, image = case.rng, _rich(case)
    if image is None:
        return
    data = bytearray(image.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 4))):
        block = rng.choice((16, 17, 18, 19, *range(18, len(data) // 2048)))
        at = block * 2048 + rng.choice((rng.randrange(2048), rng.randrange(200)))
        found = data.find(rng.choice((b"ZF\x10", b"\x37\xe4\x53\x96", b"CL\x0c", b"CE\x1c")), at)
        at = found + rng.randrange(24) if found >= 0 and rng.random() < 0.4 else at
        write_field(data, min(at, len(data) - 8), rng)
    path = case.folder / "rich.iso"
    path.write_bytes(data)
    code, _ = command(*rng.choice((("inspect",), ("ls", "-R"), ("verify",))), path)
    if not code:
        command("cat", path, rng.choice(("/packed/zeros", "/packed/text", "/a/b/c/d/e/f/g/h/i/j")))


def _rich(case: Case) -> Path | None:
    """Return an image that xorriso makes, once; ``None`` without that program."""
    path = case.seeds.folder / "rich.iso"
    if not path.exists() and shutil.which("xorriso"):
        source = case.seeds.folder / "rich"
        (source / "a/b/c/d/e/f/g/h/i").mkdir(parents=True)
        (source / "packed").mkdir()
        (source / "a/b/c/d/e/f/g/h/i/j").write_text("deep")
        (source / "packed/zeros").write_bytes(bytes(300_000))
        (source / "packed/text").write_bytes(b"photon " * 20_000)
        (source / ("n" * 200)).symlink_to("a/" * 60)
        subprocess.run(
            ["xorriso", "-outdev", path, "-joliet", "on", "-compliance", "deep_paths_off",
             "-zisofs", "level=9", "-map", source, "/",
             "-set_filter_r", "--zisofs", "/packed", "--", "-commit"],
            check=False, capture_output=True,
        )  # fmt: skip
    return path if path.exists() else None


def registry(case: Case) -> None:
    """What a registry answers: indexes, manifests, tokens, refusals."""
    from builder.fetch.registry import Registries
    from builder.fetch.wire import RetryPolicy
    from builder.image_names import parse_image_name
    from builder.pinning import resolve
    from builder.progress import Silent

    rng = case.rng
    answers = [_answer(rng) for _ in range(rng.choice((1, 2, 4)))]
    policy = RetryPolicy(
        attempts=2, connect=0.3, read=0.3, first_wait=0.01, longest_wait=0.02, whole=1
    )
    with _answering(answers) as port, Registries(Silent(), policy) as registries:
        tag = rng.choice(("x:1", "x", f"x@{_DIGEST}"))
        with contextlib.suppress(BuilderError):
            resolve(parse_image_name(f"127.0.0.1:{port}/a/{tag}"), registries)


def _answer(rng: random.Random) -> bytes:
    """Return an answer that is not quite right."""
    kind, value = rng.choice(_ANSWERS)
    body = json.dumps(mutate_value(value, rng), default=str).encode("utf-8", "surrogatepass")
    if rng.random() < 0.3:
        body = mutate_bytes(body, rng)
    if rng.random() < 0.1:
        body = b"[" * 100_000
    status = rng.choice(("200 OK", "200 OK", "200 OK", "401 No", "403 No", "404 No", "307 T"))
    lines = [f"Content-Type: {rng.choice((kind, kind, 'text/html', ''))}"]
    lines += [f"Content-Length: {len(body) + rng.choice((0, 0, 0, 0, 9))}", "Connection: close"]
    if rng.random() < 0.5:
        lines.append(f"Docker-Content-Digest: sha256:{hashlib.sha256(body).hexdigest()}")
    lines += rng.sample(_HEADERS, rng.randrange(3))
    return (f"HTTP/1.1 {status}\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode() + body


@contextlib.contextmanager
def _answering(answers: list[bytes]) -> Iterator[int]:
    """Give the answers in turn, the last one for ever, on a port."""
    done = threading.Event()

    def serve() -> None:
        number = 0
        while not done.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                continue
            with contextlib.suppress(OSError), connection:
                connection.settimeout(0.3)
                connection.recv(4096)
                connection.sendall(answers[min(number, len(answers) - 1)])
            number += 1

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


def small_texts(case: Case) -> None:
    """SHA256SUMS, block maps and files of variables, whose other lines stay as they are."""
    rng, texts = case.rng, case.seeds.texts
    given: tuple[tuple[Callable[[bytes], object], str], ...] = (
        (_merge, texts["sums"] + "# a comment\n\\" + "0" * 64 + "  we\\\\nird\n"),
        (_map, (case.seeds.folder / "output/seed.rpi3.raw.xz.bmap").read_text()),
        (_variables, texts["env"]),
    )
    function, text = rng.choice(given)
    with contextlib.suppress(BuilderError):
        function(mutate_text(text, rng))


def _merge(data: bytes) -> None:
    """Put a line into SHA256SUMS; those of others are still there."""
    from builder.sums import merge_sums, parse_sums

    text = data.decode("utf-8", "surrogateescape")
    merged = merge_sums(text, {"ours.ova": "0" * 64})
    if parse_sums(merged).get("ours.ova") != "0" * 64:
        raise FindingError("SHA256SUMS lost our line")
    before = parse_sums(text) | {"ours.ova": "0" * 64}
    if parse_sums(merged) != before:
        raise FindingError(f"SHA256SUMS lost a line of others: {before} {merged!r}"[:2000])
    lines = {line for line in text.split("\n") if line and not line.endswith("  ours.ova")}
    repeated = {name for name in before if text.count(name) > 1}
    lost = {one for one in lines - {*merged.split("\n")} if not any(n in one for n in repeated)}
    if lost:
        raise FindingError(f"SHA256SUMS has other lines of others: {sorted(lost)!r}"[:2000])


def _map(data: bytes) -> None:
    """Read a block map."""
    from builder.formats import bmap
    from builder.formats.sparse import Window, open_scratch

    text = data.decode("utf-8", "replace")
    bmap.read_size(text)
    with open_scratch(Path(os.environ.get("TMPDIR", "/tmp"))) as fd:  # noqa: S108 - without a name
        os.ftruncate(fd, 1 << 20)
        bmap.is_mapped(Window(fd, 0, 1 << 20), text)


def _variables(data: bytes) -> None:
    """Read a file of variables, and fill them in."""
    from builder.guest.compose.dotenv import parse_env
    from builder.guest.compose.interpolation import expand

    text = data.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        expand(text, dict(parse_env(text).variables))


def packed_parts(case: Case) -> None:
    """Streams of gzip with wrong sums, lengths and blocks, made right again outside."""
    rng = case.rng
    raw = bytes(rng.randrange(256) for _ in range(200)) * rng.choice((1, 300))
    body = zlib.compress(raw, wbits=-15)
    tail = zlib.crc32(raw).to_bytes(4, "little") + len(raw).to_bytes(4, "little")
    member = b"\x1f\x8b\x08" + bytes([rng.choice((0, 0, 4, 8, 16, 2, 31))]) + bytes(6)
    whole = (member + mutate_bytes(body, rng, 1) + tail) * rng.choice((1, 2, 50))
    path = case.folder / rng.choice(("a.raw.gz", "a.tar.gz", "a.img.gz"))
    path.write_bytes(whole + bytes(rng.choice((0, 1, 1000))))
    command("inspect", path)
    command("burn", path, "--to-file", case.folder / "out.raw")


DOORS: Final[dict[str, Door]] = {
    door.__name__: door
    for door in (
        catalog, bundle, tables, rich_medium, registry, small_texts, packed_parts,
    )
}  # fmt: skip
