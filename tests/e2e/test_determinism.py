"""Equal inputs give equal bytes, wherever, whenever and as whom they are built."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.bases import Base
from tests.support.judges import judge
from tests.support.program import PROJECT, Bench

SPEC = """\
version: 1
name: edge
targets: [ova]
base: {file: base.ova}
overlays: [shop]
overlay:
  hostname: edge-1
  users:
    root: {password: {env: ROOT_PASSWORD}, expire: never}
    ada: {uid: 1000, groups: [wheel, docker], password: {file: secret}}
  network: {eth0: {addresses: [192.168.1.5/24], gateway: 192.168.1.1, dns: [1.1.1.1]}}
  services: {enable: [docker], mask: [systemd-timesyncd]}
  sysctl: {net.ipv4.ip_forward: 1, vm.swappiness: 10}
  packages: [nfs-utils, htop]
  repositories: {install: online}
  mounts: [{source: "nas:/x", path: /mnt/x, type: nfs}]
  files:
    - {path: /opt/tree, source: tree}
    - {path: "/opt/na\u00efve", content: "\u00e9\\n"}
output: {annotation: "made once", cpus: 2}
"""
EPOCH = "1700000000"
BUILT = ("edge.ova", "edge.ova.provenance.json", "SHA256SUMS")
ELSEWHERE = """\
import os

LINUX = (
    "O_TMPFILE", "O_DIRECT", "O_PATH", "SEEK_DATA", "SEEK_HOLE", "copy_file_range", "getxattr",
    "listxattr", "memfd_create", "posix_fadvise", "posix_fallocate", "preadv", "pwritev",
    "sched_getaffinity", "sendfile", "setxattr", "splice",
)
for name in LINUX:
    if hasattr(os, name):
        delattr(os, name)
"""
"""A sitecustomize module: Python on a system that has nothing of what only Linux has."""


def furnish(directory: Path, base: Base, *, reverse: bool = False) -> Bench:
    """Lay out the same project in a folder; names are made in the other order if asked."""
    bench = Bench(directory)
    bench.write("specs/edge.yaml", SPEC)
    bench.write("specs/secret", "pass word\n")
    bench.write("overlays/shop/overlay.yaml", "timezone: Europe/Berlin\n")
    names = [f"file-{number}" for number in range(20)]
    for name in reversed(names) if reverse else names:
        bench.write(f"specs/tree/{name}", f"{name}\n")
        bench.write(f"overlays/shop/files/etc/shop/{name}", f"{name}\n")
    shutil.copy(base.path, directory / "specs/base.ova")
    (directory / "specs/base.ova").chmod(0o644)
    return bench


def built(bench: Bench, *options: str, **extra: str) -> dict[str, bytes]:
    """Build and return every byte that was published."""
    extra = {"ROOT_PASSWORD": "s3cret-edge-7", "SOURCE_DATE_EPOCH": EPOCH, **extra}
    bench.build("specs/edge.yaml", *options, **extra)
    found = {path.name: path.read_bytes() for path in bench.output.iterdir()}
    assert sorted(found) == sorted(BUILT)
    return found


@contextmanager
def masked(mask: int) -> Iterator[None]:
    """Set the umask for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def locales() -> list[str]:
    """Return the locales of this machine that differ most."""
    known = judge("locale", "-a").stdout.split()
    return [name for name in known if name in {"C", "C.utf8", "C.UTF-8", "tr_TR.utf8"}][:2]


@pytest.fixture(scope="module")
def reference(small_ova: Base, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the project is built to in one place."""
    return built(furnish(tmp_path_factory.mktemp("reference"), small_ova))


def test_another_folder_and_another_order_of_names(
    reference: dict[str, bytes], small_ova: Base, tmp_path: Path
) -> None:
    directory = tmp_path / "another folder" / "\u00fcml\u00e4ut"
    directory.mkdir(parents=True)
    assert built(furnish(directory, small_ova, reverse=True)) == reference


@pytest.mark.parametrize("mask", [0o077, pytest.param(0o000, marks=pytest.mark.slow)])
def test_another_umask(
    mask: int, reference: dict[str, bytes], small_ova: Base, tmp_path: Path
) -> None:
    with masked(mask):
        found = built(furnish(tmp_path, small_ova))
    assert found == reference
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "output").iterdir()}
    assert modes == {0o666 & ~mask}, "who may read what was built is the user's umask"


@pytest.mark.slow
@pytest.mark.parametrize("name", locales())
def test_another_locale(
    name: str, reference: dict[str, bytes], small_ova: Base, tmp_path: Path
) -> None:
    bench = furnish(tmp_path, small_ova)
    assert built(bench, LC_ALL=name, LANG=name, PYTHONUTF8="0") == reference


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"PYTHONHASHSEED": "4242", "PYTHONOPTIMIZE": "2", "HOME": "/none", "USER": "eve"},
    ],
    ids=str,
)
def test_another_environment(
    environment: dict[str, str], reference: dict[str, bytes], small_ova: Base, tmp_path: Path
) -> None:
    assert built(furnish(tmp_path, small_ova), **environment) == reference


class Elsewhere(Bench):
    """The program where Linux's own calls are missing, and /proc too when it can be hidden."""

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command line of the program."""
        ours = super().command(*arguments)
        if os.geteuid():
            return ours
        return ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", *ours]

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the variables that the program sees."""
        self.write("elsewhere/sitecustomize.py", ELSEWHERE)
        path = f"{self.directory / 'elsewhere'}{os.pathsep}{PROJECT}"
        return super().environment(PYTHONPATH=path, **extra)


@pytest.mark.skipif(sys.platform != "linux", reason="there is nothing to be hidden here")
def test_a_system_that_is_not_linux(
    reference: dict[str, bytes], small_ova: Base, tmp_path: Path
) -> None:
    furnish(tmp_path, small_ova)
    assert built(Elsewhere(tmp_path)) == reference


@pytest.mark.skipif(sys.platform != "linux", reason="there is nothing to be hidden here")
@pytest.mark.parametrize("target", ["gce", "azure"])
def test_a_disk_from_a_system_that_is_not_linux(target: str, tmp_path: Path) -> None:
    spec = f"version: 1\ntarget: {target}\nbase: {{sample: true}}\noverlay: {{hostname: edge}}\n"
    found = []
    for kind in (Bench, Elsewhere):
        directory = tmp_path / kind.__name__
        directory.mkdir()
        bench = kind(directory)
        bench.write("specs/edge.yaml", spec)
        found.append(bench.build("specs/edge.yaml", SOURCE_DATE_EPOCH=EPOCH).read_bytes())
    assert found[0] == found[1]


def test_the_order_of_the_spec(
    reference: dict[str, bytes], small_ova: Base, tmp_path: Path
) -> None:
    bench = furnish(tmp_path, small_ova)
    head, _, rest = SPEC.partition("overlay:\n")
    body, _, tail = rest.partition("output:")
    keys: list[str] = []
    for line in body.splitlines(keepends=True):
        if line.startswith("   "):
            keys[-1] += line
        else:
            keys.append(line)
    bench.write("specs/edge.yaml", f"{head}overlay:\n{''.join(reversed(keys))}output:{tail}")
    assert built(bench) == reference


def test_nothing_of_this_machine_is_told(reference: dict[str, bytes], small_ova: Base) -> None:
    record = json.loads(reference["edge.ova.provenance.json"])
    assert record["base"]["name"] == "base.ova"
    assert record["base"]["digests"] == {"sha256": small_ova.digests["sha256"]}
    host = os.uname().nodename
    for content in reference.values():
        assert b"pytest" not in content
        assert len(host) < 6 or host.encode() not in content


def test_another_time_is_told_when_no_time_is_pinned(small_ova: Base, tmp_path: Path) -> None:
    bench = furnish(tmp_path, small_ova)
    bench.build("specs/edge.yaml", ROOT_PASSWORD="s3cret-edge-7")
    record = json.loads((bench.output / "edge.ova.provenance.json").read_text())
    assert int((bench.output / "edge.ova").stat().st_mtime) == record["timestamp"] > int(EPOCH)
