"""Images, archives and names that somebody made to confuse whoever opens them."""

import gzip
import json
import os
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.cache import Cache
from tests.support.altered import debugfs, repacked
from tests.support.bases import Base, Recipe, make_base
from tests.support.ext4_image import Region
from tests.support.judges import judge
from tests.support.media import make_medium
from tests.support.program import Bench

_BLOCK = 2048
SPEC = "version: 1\nname: edge\ntarget: {target}\nbase: {base}\noverlay: {{{overlay}}}\n"


@pytest.fixture
def disk(base_cache: Path, tmp_path: Path) -> Region:
    """The root filesystem of a raw disk of one's own."""
    base = make_base(base_cache, Recipe(kind="raw", size=512 << 20))
    path = tmp_path / "own.raw"
    judge("cp", "--sparse=always", base.path, path)
    path.chmod(0o644)
    return Region(path, base.root_offset, base.root_size)


def is_sentence(bench: Bench, *arguments: str | Path, codes: tuple[int, ...] = (7, 8)) -> str:
    """Run the program, which has to end soon and to say what is wrong."""
    done = subprocess.run(
        bench.command(*arguments), cwd=bench.directory, env=bench.environment(), text=True,
        capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.returncode in codes, done.stderr
    assert "this is a bug" not in done.stderr
    return done.stderr


def test_a_directory_that_lies_in_itself_has_an_end(disk: Region, bench: Bench) -> None:
    debugfs(disk, "mkdir /a", "mkdir /a/b", "link /a /a/b/c")
    assert "the directory lies in itself" in is_sentence(bench, "ls", "-R", disk.disk)
    assert "lies in itself" in is_sentence(bench, "diff", disk.disk, disk.disk)


def test_a_medium_whose_directory_is_its_own_root_has_an_end(bench: Bench, tmp_path: Path) -> None:
    iso = make_medium(tmp_path)
    content = bytearray(iso.read_bytes())
    root = content[16 * _BLOCK + 156 : 16 * _BLOCK + 190]
    at = struct.unpack_from("<I", root, 2)[0] * _BLOCK
    while content[at]:
        if content[at + 33 : at + 41] == b"ISOLINUX":
            content[at + 2 : at + 18] = root[2:18]
            break
        at += content[at]
    bad = tmp_path / "loop.iso"
    bad.write_bytes(content)
    assert "the directory lies in itself" in is_sentence(bench, "ls", "-R", bad)


@pytest.mark.parametrize("name", [b"isolinux/cfg", b"..\0linux.cfg"])
def test_a_medium_with_a_name_that_is_no_name_is_damaged(
    name: bytes, bench: Bench, tmp_path: Path
) -> None:
    iso = make_medium(tmp_path)
    content = iso.read_bytes()
    assert b"\1\0isolinux.cfg" in content
    bad = tmp_path / "names.iso"
    bad.write_bytes(content.replace(b"\1\0isolinux.cfg", b"\1\0" + name))
    assert "is not a valid name of a file" in is_sentence(bench, "ls", "-R", bad)


@pytest.mark.parametrize("point", ["/boot/../efi", "/x\\000y"])
def test_a_table_of_mounts_that_makes_no_sense_is_a_sentence(
    point: str, disk: Region, bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "fstab").write_text(
        f"/dev/sda3 / ext4 defaults 1 1\n/dev/sda2 {point} vfat x ² 9\n"
    )
    debugfs(disk, "rm /etc/fstab", f"write {tmp_path}/fstab /etc/fstab")
    said = is_sentence(bench, "ls", disk.disk)
    assert "is not a valid mount point" in said
    assert bench.run("inspect", disk.disk).code == 0


def test_an_archive_of_names_of_names_is_a_sentence(bench: Bench, tmp_path: Path) -> None:
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 2
    block = long.tobuf(tarfile.GNU_FORMAT) + b"x\0".ljust(512, b"\0")
    bad = tmp_path / "nest.tar.gz"
    with gzip.open(bad, "wb") as stream:
        stream.write(block * 1200)
    is_sentence(bench, "inspect", bad)
    is_sentence(bench, "burn", bad, "--to-file", tmp_path / "out.raw")
    bench.write("specs/edge.yaml", SPEC.format(target="gce", base=f"{{file: {bad}}}", overlay=""))
    is_sentence(bench, "build", "edge")


@pytest.fixture
def odd(bench: Bench) -> Path:
    """An artifact with odd names in it."""
    tree = bench.directory / "specs/tree"
    tree.mkdir(parents=True)
    for name in (b"\xff\xfe", b"a\x1b]0;owned\x07", b"b\n-rw-r--r-- forged"):
        Path(os.fsdecode(os.fsencode(tree) + b"/" + name)).write_text("x")
    overlay = "files: [{source: tree, path: /opt/odd}]"
    spec = SPEC.format(target="ova", base="{sample: true}", overlay=overlay)
    bench.write("specs/edge.yaml", spec)
    return bench.build("edge")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "latin-1:strict"])
def test_odd_names_are_listed_and_forge_nothing(odd: Path, encoding: str, bench: Bench) -> None:
    bench.write("specs/none.yaml", SPEC.format(target="ova", base="{sample: true}", overlay=""))
    plain = bench.build("none", "-o", bench.directory / "other")
    environment = bench.environment(PYTHONIOENCODING=encoding)
    found = {}
    for words in (("ls", odd, "/opt/odd"), ("diff", plain, odd), ("plan", "edge")):
        done = subprocess.run(
            bench.command(*words), cwd=bench.directory, env=environment, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode in {0, 1}, done.stderr
        assert b"this is a bug" not in done.stderr
        found[words[0]] = done.stdout
    assert b"/opt/odd/\xff\xfe\n" in found["ls"]
    assert b"/opt/odd/a\\x1b]0;owned\\x07\n" in found["ls"]
    assert found["ls"].count(b"\n") == 3
    assert b"+ /opt/odd/b\\n-rw-r--r-- forged\n" in found["diff"]


def test_what_nobody_vouches_for_is_read_before_it_is_copied(
    small_ova: Base, bench: Bench, tmp_path: Path
) -> None:
    def damage(inside: Path) -> None:
        next(inside.glob("*.mf")).unlink()
        vmdk = next(inside.glob("*.vmdk"))
        content = bytearray(vmdk.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 64] = os.urandom(64)
        vmdk.write_bytes(content)

    bad = repacked(small_ova.path, tmp_path / "bad", damage)
    spec = SPEC.format(target="ova", base=f"{{file: {bad}}}", overlay="hostname: a")
    bench.write("specs/edge.yaml", spec)
    is_sentence(bench, "build", "edge")
    assert not list(bench.output.glob("*"))


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_what_has_no_end_is_not_read(kind: str, bench: Bench) -> None:
    path = Path(kind)
    if kind == "pipe":
        path = bench.directory / "pipe"
        os.mkfifo(path)
    endless = {"codes": (2, 3, 10)}
    is_sentence(bench, "inspect", path, **endless)
    is_sentence(bench, "burn", path, "--to-file", bench.directory / "out", **endless)
    base = "{sample: true}"
    specs = [
        SPEC.format(target="ova", base=f"{{file: {path}}}", overlay="hostname: a"),
        SPEC.format(target="ova", base=base, overlay=f"files: [{{source: {path}, path: /opt/x}}]"),
    ]
    if kind != "pipe":  # from which a secret may come, when somebody writes it
        password = f"users: {{root: {{password: {{file: {path}}}}}}}"
        specs.append(SPEC.format(target="ova", base=base, overlay=password))
    for spec in specs:
        bench.write("specs/edge.yaml", spec)
        is_sentence(bench, "build", "edge", **endless)


def test_a_disk_is_not_written_over_its_own_image_nor_unasked_over_another(
    disk: Region, bench: Bench, tmp_path: Path
) -> None:
    packed = tmp_path / "own.raw.gz"
    with packed.open("wb") as stream:
        subprocess.run(["gzip", "-1c", disk.disk], stdout=stream, check=True)
    other = tmp_path / "other.raw"
    other.write_text("mine")
    link = tmp_path / "link"
    os.link(packed, link)
    before = packed.read_bytes()
    for target in (packed, link):
        said = is_sentence(bench, "burn", packed, "--to-file", target, "--yes", codes=(12,))
        assert "is the image itself" in said
    said = is_sentence(bench, "burn", packed, "--to-file", other, codes=(12,))
    assert "exists already" in said
    assert (packed.read_bytes(), other.read_text()) == (before, "mine")
    assert bench.run("burn", packed, "--to-file", other, "--yes").code == 0
    judge("cmp", other, disk.disk)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[" * 100_000, b"[1, 2]", b'{"schema": 5}', b"{}"]
)
def test_a_lock_file_that_is_none_is_a_sentence(content: bytes, bench: Bench) -> None:
    bench.write("specs/edge.yaml", SPEC.format(target="ova", base="{sample: true}", overlay=""))
    (bench.directory / "specs/photon-builder.lock").write_bytes(content)
    is_sentence(bench, "check", "edge", codes=(3,))


@pytest.mark.parametrize("amount", ["nan", "inf", "-1"])
def test_a_cache_is_not_emptied_by_an_amount_that_is_none(amount: str, bench: Bench) -> None:
    Cache(bench.directory / "cache").add_file(bench.write("x", "content"))
    for option in ("--gigabytes", "--days"):
        assert bench.run("cache", "gc", option, amount).code == 2
    assert "x" in bench.run("cache", "ls").out


def test_memory_that_is_not_there_is_said_to_be_this_machines(bench: Bench, odd: Path) -> None:
    line = 'ulimit -v 180000; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", line, "x", *bench.command("build", "edge", "--force")], cwd=bench.directory,
        env=bench.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "this is a bug" not in done.stderr, done.stderr
    assert odd.is_file()


def test_a_project_of_somebody_elses_takes_nothing_from_this_machine(bench: Bench) -> None:
    secret = bench.write("secret/id_ed25519", "TOPSECRETKEY")
    folder = bench.directory / "specs/app"
    folder.mkdir(parents=True)
    (folder / "data").symlink_to(secret.parent)
    (folder / "key").symlink_to(secret)
    (folder / ".env").symlink_to(secret)
    compose = (
        "services: {a: {image: 'alpine:3', volumes: ['./data:/data'], configs: [c]}}\n"
        "configs: {c: {file: ./key}}\n"
    )
    bench.write("specs/app/compose.yaml", compose)
    overlay = "compose: {app: {file: app/compose.yaml}}"
    bench.write(
        "specs/edge.yaml", SPEC.format(target="ova", base="{sample: true}", overlay=overlay)
    )
    said = is_sentence(bench, "plan", "edge", codes=(3,))
    for name in ("data", "key", ".env"):
        assert f"app/{name}: leads out of the project's folder" in said
    assert "TOPSECRET" not in said


def test_who_logs_in_reads_no_secret_of_a_project(bench: Bench) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    for name, text in {"db.txt": "s3cret-edge-7", "tls/server.pem": pem, "plain": "x"}.items():
        bench.write(f"specs/app/{name}", text)
    compose = (
        "services: {a: {image: 'alpine:3', volumes: ['./tls:/tls', './plain:/plain'],"
        " secrets: [db]}}\nsecrets: {db: {file: ./db.txt}}\n"
    )
    bench.write("specs/app/compose.yaml", compose)
    bench.write("specs/key.pem", pem)
    overlay = (
        "compose: {app: {file: app/compose.yaml}}, "
        "files: [{source: key.pem, path: /etc/nginx/key.pem}, "
        "{content: x, path: /etc/ssl/private/a.pem}, {content: x, path: /root/.netrc}], "
        'first_boot: [{name: join, script: "#!/bin/sh\\ntoken=abc\\n"}]'
    )
    bench.write(
        "specs/edge.yaml", SPEC.format(target="ova", base="{sample: true}", overlay=overlay)
    )
    plan = bench.run("plan", "edge", "--json")
    assert plan.code == 0, plan.err
    modes = dict(_modes(json.loads(plan.out)))
    assert modes["/opt/compose/app"] == "0700", "nobody gets to what is below"
    assert modes["/opt/compose/app/db.txt"] == "0644", "a container may run as anybody"
    assert modes["/opt/compose/app/tls/server.pem"] == "0644"
    for path in ("/etc/nginx/key.pem", "/etc/ssl/private/a.pem", "/root/.netrc"):
        assert modes[path] == "0600", path
    (script,) = [path for path in modes if path.endswith("/first-boot/join")]
    assert modes[script] == "0700"


def _modes(value: object) -> Iterator[tuple[str, str]]:
    """Yield path and mode of everything in a plan that has both."""
    if isinstance(value, dict):
        if {"path", "mode"} <= value.keys():
            yield value["path"], value["mode"]
        for inner in value.values():
            yield from _modes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _modes(inner)
