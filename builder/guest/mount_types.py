"""Kinds of filesystem that may be mounted at boot: sources, options and programs.

Source: mount(8), nfs(5), systemd.mount(5). The options keep a machine booting when
a server or disk is away: ``nofail``, and for shares a mount on first use.
"""

import re

from builder.guestpath import GuestPath, guest
from builder.structs import Struct

_SHARE = "defaults,_netdev,nofail,x-systemd.automount,x-systemd.mount-timeout=30s"
_DISK = "defaults,nofail"
_DEFAULTS = {
    "nfs": _SHARE,
    "nfs4": _SHARE,
    "cifs": _SHARE,
    "ext4": _DISK,
    "xfs": _DISK,
    "btrfs": _DISK,
    "vfat": _DISK,
    "iso9660": f"{_DISK},ro",
    "bind": f"{_DISK},bind",
    "tmpfs": "defaults,nosuid,nodev",
    "swap": _DISK,
}
TYPES = tuple(_DEFAULTS)
NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs"})

_DEVICE = re.compile(r"/dev/\S+|(?:UUID|LABEL|PARTUUID|PARTLABEL)=\S.*")
_SOURCES = {
    "nfs": re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^/:\s\[\]]+):/.*"),
    "cifs": re.compile(r"//[^/\s]+/.+"),
    "bind": re.compile(r"/.*"),
    "tmpfs": re.compile(r"\S+"),
    "swap": re.compile(rf"{_DEVICE.pattern}|/\S+"),
}
_WANTED = {
    "nfs": "host:/share",
    "cifs": "//host/share",
    "bind": "an absolute path",
    "tmpfs": "a name, such as tmpfs",
    "swap": "a device or a file",
}


class Helper(Struct, frozen=True):
    """The program that mounts a kind, the package that has it, and the diagnostic."""

    path: GuestPath
    package: str
    code: str


_NFS = Helper(guest("/usr/sbin/mount.nfs"), "nfs-utils", "MNT001")
HELPERS = {
    "nfs": _NFS,
    "nfs4": _NFS,
    "cifs": Helper(guest("/usr/sbin/mount.cifs"), "cifs-utils", "MNT005"),
}


def default_options(kind: str) -> str:
    """Return the options for a kind when the spec names none."""
    return _DEFAULTS[kind]


def find_source_fault(kind: str, source: str) -> str:
    """Return what is wrong with a source for its kind; empty when nothing is."""
    key = "nfs" if kind == "nfs4" else kind
    if _SOURCES.get(key, _DEVICE).fullmatch(source):
        return ""
    wanted = _WANTED.get(key, "/dev/…, UUID=…, LABEL=…, PARTUUID=… or PARTLABEL=…")
    return f"{source!r} is no source for {kind}; wanted {wanted}"
