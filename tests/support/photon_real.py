"""A root with real programs: Debian 12, installed by mmdebstrap, then given Photon's shape.

The installed tree is kept as a tar and made once for each list of packages; it serves every
release. Its kernel is not Photon's and it is not booted: it is there for its size, its directory
indexes, its hard links, its modes and a real systemd.
"""

import fcntl
import hashlib
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tests.support.judges import judge
from tests.support.photon_releases import Placement, Release
from tests.support.photon_root import photon_shape
from tests.support.tree import Attributes, Directory, File, Link, Tree, TreeFolder, text

_PACKAGES: Final = (
    "bc", "bzip2", "ca-certificates", "cloud-init", "cpio", "dbus", "docker.io", "e2fsprogs",
    "file", "gdisk", "iproute2", "iptables", "iputils-ping", "login", "net-tools", "nfs-common",
    "open-vm-tools", "openssh-server", "passwd", "procps", "python3", "systemd",
    "systemd-resolved", "systemd-sysv", "systemd-timesyncd", "tzdata", "vim",
)  # fmt: skip
_COMMAND: Final = (
    "--variant=minbase", "--quiet", '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/man/*", f"--include={','.join(_PACKAGES)}", "bookworm",
)  # fmt: skip
_FOREIGN: Final = (
    "/etc/.resolv.conf.systemd-resolved.bak", "/etc/debian_version", "/etc/resolv.conf",
    "/etc/apt", "/etc/default/ssh",
    "/etc/ssh/sshd_config.d", "/usr/lib/systemd/system/ssh.service",
    "/usr/lib/systemd/system/ssh.socket", "/etc/os-release", "/media", "/srv",
)  # fmt: skip


def make_real_root(
    directory: Path, release: Release, placement: Placement, cache: Path
) -> TreeFolder:
    """Write a Photon-shaped root of some 17 000 files and 580 MiB below ``directory``."""
    folder = TreeFolder(directory)
    _unpack(_installed(cache), folder)
    _reshape(folder)
    folder.add_tree(_over(folder, photon_shape(release, placement)))
    folder.seal()
    return folder


def _installed(cache: Path) -> Path:
    """Return the installed system as a tar, made once."""
    key = hashlib.sha256("\n".join(_COMMAND).encode()).hexdigest()[:16]
    made = cache / f"debian-{key}.tar"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
                part = Path(scratch) / "root.tar"
                judge("mmdebstrap", *_COMMAND[:-1], _COMMAND[-1], part)
                part.rename(made)
    return made


def _unpack(archive: Path, folder: TreeFolder) -> None:
    """Unpack without privilege: owners are remembered, devices left out."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = "/" + member.name.removeprefix(".").strip("/")
            if path.startswith("/dev/"):
                continue
            attributes = Attributes(member.mode, member.uid, member.gid)
            if member.isdir():
                folder.add_directory(path, attributes)
            elif member.issym():
                folder.add_link(path, member.linkname)
            elif member.islnk():
                folder.add_hard_link(path, "/" + member.linkname.removeprefix("./"))
            elif member.isreg() and (stream := tar.extractfile(member)):
                folder.add_stream(path, stream, attributes, int(member.mtime))


def _reshape(folder: TreeFolder) -> None:
    """Turn what Debian has elsewhere into Photon's places."""
    for path in _FOREIGN:
        folder.remove(path)
    folder.move_children("/usr/lib64", "/usr/lib")
    folder.add("/var/srv", Directory())
    folder.add("/mnt/cdrom", Directory())
    folder.remove("/etc/systemd/system")
    folder.add("/etc/systemd/system", Directory())
    folder.add_link("/usr/bin/dockerd", "../sbin/dockerd")


def _over(folder: TreeFolder, shape: Tree) -> Tree:
    """Return the shape with the accounts of both."""
    kept = dict(shape)
    for name in ("passwd", "group", "shadow", "gshadow"):
        kept[f"/etc/{name}"] = _merged(folder, kept[f"/etc/{name}"], f"/etc/{name}")
    return kept


def _merged(folder: TreeFolder, entry: File | Directory | Link, path: str) -> File:
    """Append Debian's accounts whose names and numbers Photon does not use."""
    if not isinstance(entry, File):
        raise TypeError(f"{path} must be a file")
    ours = entry.content.decode()
    names = {line.split(":")[0] for line in ours.splitlines()}
    numbers = {line.split(":")[2] for line in ours.splitlines()}
    numbered = path in ("/etc/passwd", "/etc/group")
    theirs = (folder.folder / path.lstrip("/")).read_text().splitlines()
    for line in theirs:
        fields = line.split(":")
        if fields[0] not in names and not (numbered and fields[2] in numbers):
            ours += f"{line}\n"
    return text(ours, entry.mode)
