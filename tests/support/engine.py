"""A container engine of Debian in namespaces of its own: what dockerd makes of our settings.

The tree is made once, some forty seconds, and mounted read-only below a file system in memory;
everything that the engine starts ends with the script. It has no network but the loopback.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.judges import CI, judge, require
from tests.support.kept import keep, key_of

_PACKAGES: Final = ("ca-certificates", "docker.io", "iptables", "libpython3-stdlib", "python3")
_COMMAND: Final = (
    "--variant=minbase", "--quiet", '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("man", "doc", "locale")),
    f"--include={','.join(_PACKAGES)}", "bookworm",
)  # fmt: skip
_INSIDE: Final = """\
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$SCRATCH"
cd "$SCRATCH"
mkdir upper work root data
mount -t overlay -o "lowerdir=$TREE,upperdir=upper,workdir=work" overlay root
cp -a "$LAID/." root/
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/run
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 root/sys/fs/cgroup
else
  mount -t tmpfs tmpfs root/sys/fs/cgroup
  for name in $(awk '!/^#/ {print $1}' /proc/cgroups); do
    mkdir -p "root/sys/fs/cgroup/$name"
    mount -t cgroup -o "$name" cgroup "root/sys/fs/cgroup/$name" 2>/dev/null \
      || rmdir "root/sys/fs/cgroup/$name"
  done
fi
mkdir -p root/var/lib/docker root/old
mount --bind data root/var/lib/docker
ip link set lo up
cd root
pivot_root . old
umount -l /old
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec chroot / /bin/bash -eu /script
"""
HEAD: Final = """\
export DOCKER_HOST=unix:///run/docker.sock
dockerd --bridge=none --iptables=false --ip6tables=false "$@" >/dockerd.log 2>&1 &
daemon=$!
for wait in $(seq 300); do
  docker version >/dev/null 2>&1 && break
  kill -0 "$daemon" 2>/dev/null || { cat /dockerd.log; exit 1; }
  sleep .1
done
"""
"""Starts dockerd as a unit without arguments of its own would, and waits until it answers."""

IMAGE: Final = """\
mkdir -p /image/etc /image/tmp /image/usr /image/proc /image/dev /image/sys
for name in bin lib lib64 sbin; do ln -s "usr/$name" "/image/$name"; done
tar -C /image -c . | docker import - machine >/dev/null
run() { docker run --rm --network=host -v /usr:/usr:ro -v /probe:/probe:ro "$@"; }
"""
"""Makes an image without files, whose containers have the programs of the tree."""


@pytest.fixture(scope="session")
def engine_tree(base_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that the engine is started in; read-only."""
    if os.geteuid() != 0:
        (pytest.fail if CI else pytest.skip)("an engine is started by root only: run it with sudo")
    require("mmdebstrap")
    packed = keep(base_cache, f"debian-engine-{key_of(*_COMMAND)}.tar", _install)
    tree = tmp_path_factory.mktemp("engine")
    judge("tar", "-C", tree, "-xf", packed, "--exclude=./dev/*")
    return tree


def run_engine(tree: Path, scratch: Path, files: Mapping[str, str | bytes], script: str) -> str:
    """Run a script in the tree, in namespaces of its own; return what it printed.

    Args:
        tree: See :func:`engine_tree`.
        scratch: An empty folder.
        files: Texts or bytes by their paths in the tree; programs below /usr/libexec.
        script: For bash; :data:`HEAD` starts the engine.
    """
    laid, mount = scratch / "laid", scratch / "mount"
    mount.mkdir(parents=True)
    for path, text in {**files, "/script": script}.items():
        place = laid / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        place.chmod(0o755 if path.startswith("/usr/libexec/") else 0o644)
    done = judge(
        *("unshare", "-m", "-n", "-p", "-i", "-u", "--fork", "--kill-child", "sh", "-c", _INSIDE),
        env={"TREE": str(tree), "LAID": str(laid), "SCRATCH": str(mount)},
        check=False,
    )
    return done.stdout + done.stderr


def _install(folder: Path) -> Path:
    """Make the tree as a tar."""
    made = folder / "root.tar"
    judge("mmdebstrap", *_COMMAND, made)
    return made
