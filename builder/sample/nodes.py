"""What the sample tree has besides the plain files in ``tree/``: modes, owners, links, folders.

Layout, modes and ids are those of Photon OS 5.0 as it installs itself on a disk.
"""

from pathlib import Path

from builder.blob import Blob
from builder.changes import ROOT, FileOp, MakeDirectory, MakeSymlink, Owner, WriteFile
from builder.guestpath import GuestPath, guest, parent

_TREE = Path(__file__).with_name("tree")
_ZONES = Path(__file__).parents[1] / "data" / "zones.txt"
_ZONEINFO = "/usr/share/zoneinfo"
_UNITS = "/usr/lib/systemd/system"
_ENABLED = "/etc/systemd/system"

_STICKY = tuple(f"{above}tmp" for above in ("/", "/var/"))
_DIRECTORIES = (
    *_STICKY,
    *("/dev", "/proc", "/run", "/sys", "/home", "/mnt/cdrom", "/boot/efi/EFI/BOOT"),
    *("/etc/cloud/cloud.cfg.d", "/etc/modprobe.d", "/etc/modules-load.d", "/etc/pki/rpm-gpg"),
    *("/etc/skel", "/etc/systemd/system-preset", "/usr/bin", "/usr/include", "/usr/lib/locale"),
    *("/usr/lib/modules", "/usr/lib/sysimage/rpm", "/usr/lib/systemd/network", "/usr/libexec"),
    *("/usr/local/bin", "/usr/local/lib", "/usr/local/sbin", "/usr/local/share", "/usr/sbin"),
    *("/usr/share/locale", "/usr/src", "/var/cache/tdnf", "/var/lib/cloud", "/var/lib/sshd"),
    *("/var/lib/systemd", "/var/log", "/var/mail", "/var/opt", "/var/spool", "/var/srv"),
    *("/root/.ssh", "/var/lib/systemd/timesync", "/var/log/journal"),
)
_TEXTS = {
    "/etc/hostname": "photon-machine",
    "/etc/machine-id": "",
    "/etc/subgid": "",
    "/etc/subuid": "",
    "/root/.ssh/authorized_keys": "\n",
    "/var/log/lastlog": "",
    "/var/log/wtmp": "",
}
"""Files that a source tree does not keep well: empty, hidden, or without a last newline."""

_MODES = {
    "/boot/grub2/grub.cfg": 0o600,
    "/etc/gshadow": 0o600,
    "/etc/machine-id": 0o444,
    "/etc/shadow": 0o600,
    "/etc/ssh/sshd_config": 0o600,
    "/etc/systemd/scripts/iptables": 0o755,
    "/etc/systemd/scripts/iptables.stop": 0o755,
    "/usr/libexec/docker/cli-plugins/docker-compose": 0o755,
    "/proc": 0o555,
    "/root": 0o750,
    "/root/.ssh/authorized_keys": 0o600,
    "/sys": 0o555,
    "/var/lib/sshd": 0o700,
    "/var/log/journal": 0o2755,
    "/var/log/wtmp": 0o664,
    **dict.fromkeys(_STICKY, 0o1777),
}
_OWNERS = {
    "/var/lib/systemd/timesync": Owner(78, 78),
    "/var/log/journal": Owner(0, 23),
    "/var/log/wtmp": Owner(0, 13),
}
_LINKS = {
    "/bin": "usr/bin",
    "/boot/grub": "grub2",
    "/boot/photon.cfg": "linux-6.1.0-sample-esx.cfg",
    "/etc/localtime": "../usr/share/zoneinfo/UTC",
    "/etc/mtab": "/proc/self/mounts",
    "/etc/os-release": "../usr/lib/os-release",
    "/lib": "usr/lib",
    "/lib64": "usr/lib",
    "/media": "run/media",
    "/sbin": "usr/sbin",
    "/srv": "var/srv",
    "/usr/lib64": "lib",
    "/usr/local/lib64": "lib",
    "/var/lock": "../run/lock",
    "/var/run": "../run",
    f"{_UNITS}/default.target": "multi-user.target",
    f"{_UNITS}/multi-user.target.wants/getty.target": "../getty.target",
    f"{_UNITS}/sockets.target.wants/dbus.socket": "../dbus.socket",
    f"{_UNITS}/sysinit.target.wants/systemd-journald.service": "../systemd-journald.service",
    f"{_UNITS}/sysinit.target.wants/systemd-modules-load.service": (
        "../systemd-modules-load.service"
    ),
    f"{_UNITS}/sysinit.target.wants/systemd-sysctl.service": "../systemd-sysctl.service",
    f"{_UNITS}/timers.target.wants/systemd-tmpfiles-clean.timer": "../systemd-tmpfiles-clean.timer",
}
_WANTED = {
    "cloud-init.target": (
        *("cloud-config.service", "cloud-final.service", "cloud-init-local.service"),
        "cloud-init.service",
    ),
    "multi-user.target": (
        *("cloud-init.target", "iptables.service", "machines.target", "remote-cryptsetup.target"),
        *("remote-fs.target", "sshd-keygen.service", "sshd.service", "systemd-networkd.service"),
        *("systemd-resolved.service", "vgauthd.service", "vmtoolsd.service"),
    ),
    "network-online.target": ("systemd-networkd-wait-online.service",),
    "sockets.target": ("systemd-networkd.socket",),
    "sysinit.target": ("systemd-timesyncd.service",),
}
"""Enabled units, by the target that wants them; docker and containerd are not."""

_ALIASES = {
    "dbus-org.freedesktop.network1.service": "systemd-networkd.service",
    "dbus-org.freedesktop.resolve1.service": "systemd-resolved.service",
    "dbus-org.freedesktop.timesync1.service": "systemd-timesyncd.service",
}
_UTC = b"TZif2" + bytes(15 + 16) + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0"
"""Header and data of RFC 8536: no transitions, one type without offset, called UTC."""


def make_operations() -> list[FileOp]:
    """Return what makes the tree on an empty filesystem: directories, then the rest, by path."""
    contents = {**_read_tree(), **{guest(path): text.encode() for path, text in _TEXTS.items()}}
    contents[guest(f"{_ZONEINFO}/UTC")] = _UTC + _UTC + b"\nUTC0\n"
    links = _make_links()
    wanted = {guest(path) for path in _DIRECTORIES}
    directories = _with_parents(wanted | {parent(path) for path in (*contents, *links)})
    return [
        *(MakeDirectory(path, *_attributes(path, 0o755)) for path in sorted(directories)),
        *(
            WriteFile(path, Blob.of(content), *_attributes(path, 0o644))
            for path, content in sorted(contents.items())
        ),
        *(MakeSymlink(path, target) for path, target in sorted(links.items())),
    ]


def _read_tree() -> dict[GuestPath, bytes]:
    """Return the files of ``tree/`` by their path in the guest."""
    files = (path for path in _TREE.rglob("*") if path.is_file())
    return {guest(f"/{path.relative_to(_TREE).as_posix()}"): path.read_bytes() for path in files}


def _make_links() -> dict[GuestPath, str]:
    """Return every symbolic link and its target."""
    links = dict(_LINKS)
    for zone in set(_ZONES.read_text().split()) - {"UTC"}:
        links[f"{_ZONEINFO}/{zone}"] = "../" * zone.count("/") + "UTC"
    for target, units in _WANTED.items():
        for unit in units:
            links[f"{_ENABLED}/{target}.wants/{unit}"] = f"{_UNITS}/{unit}"
    links[f"{_ENABLED}/getty.target.wants/getty@tty1.service"] = f"{_UNITS}/getty@.service"
    for alias, unit in _ALIASES.items():
        links[f"{_ENABLED}/{alias}"] = f"{_UNITS}/{unit}"
    return {guest(path): target for path, target in links.items()}


def _with_parents(paths: set[GuestPath]) -> set[GuestPath]:
    """Return directories and all that are above them, but for the root."""
    found: set[GuestPath] = set()
    for path in paths:
        above = path
        while above not in found and above != "/":
            found.add(above)
            above = parent(above)
    return found


def _attributes(path: GuestPath, mode: int) -> tuple[int, Owner]:
    """Return mode and owner of a file or directory whose class has ``mode``."""
    return _MODES.get(path, mode), _OWNERS.get(path, ROOT)
