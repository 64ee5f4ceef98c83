"""What the sample tree has besides texts: modes, owners, links, folders.

Layout, modes and ids are those of Photon as it installs itself on a disk.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.blob import Blob
from builder.changes import ROOT, FileOp, MakeDirectory, MakeSymlink, Owner, WriteFile
from builder.facts import Facts
from builder.facts.data import table
from builder.guestpath import GuestPath, guest, parent
from builder.sample.boot import Placement, is_board, kernel_name
from builder.sample.enabled import links
from builder.sample.files import photon_files, read_texts

_TREE = Path(__file__).with_name("tree")
_ZONES = Path(__file__).parents[1] / "data" / "zones.txt"
_ZONEINFO = "/usr/share/zoneinfo"
_UNITS = "/usr/lib/systemd/system"
_ROOT_UUID = "5a3b1e00-5f5e-4000-8000-000000000010"
_GPT = "PARTUUID=5a3b1e00-5f5e-4000-8000-00000000000{}"
SIGNATURE = 0x5A3B1E00
"""Of the partition table of a board's card; what is made from it keeps it."""

_MBR = f"PARTUUID={SIGNATURE:08x}-0{{}}"
_VARIANT = 'VARIANT="Sample base: no kernel, no programs"\nVARIANT_ID=sample\n'
_OS_RELEASE = "/usr/lib/os-release"
_ROOT_KEYS = "/root/.ssh/authorized_keys"

_JOURNAL = "/var/opt/journal/log"
_CLOUD = ("/etc/cloud/cloud.cfg.d", "/var/lib/cloud")
_STICKY = tuple(f"{above}tmp" for above in ("/", "/var/"))
_DIRECTORIES = (
    *_STICKY,
    *("/dev", "/proc", "/run", "/sys", "/home", "/mnt/cdrom", "/boot/efi/EFI/BOOT"),
    *("/etc/modprobe.d", "/etc/modules-load.d", "/etc/pki/rpm-gpg"),
    *("/etc/skel", "/etc/systemd/system-preset", "/usr/bin", "/usr/include", "/usr/lib/locale"),
    *("/usr/lib/systemd/network", "/usr/libexec"),
    *("/usr/local/bin", "/usr/local/lib", "/usr/local/sbin", "/usr/local/share", "/usr/sbin"),
    *("/usr/share/locale", "/usr/src", "/var/cache/tdnf", "/var/lib/sshd"),
    *("/var/lib/systemd", "/var/log", "/var/mail", "/var/opt", "/var/spool", "/var/srv"),
    *("/root/.ssh", "/var/lib/systemd/timesync", _JOURNAL),
)
_TEXTS = {
    "/etc/hostname": "photon-machine",
    "/etc/machine-id": "",
    "/etc/subgid": "",
    "/etc/subuid": "",
    _ROOT_KEYS: "\n",
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
    "/usr/lib/systemd/system-generators/cloud-init-generator": 0o755,
    "/usr/local/bin/resizefs.sh": 0o755,
    "/etc/sudoers": 0o440,
    "/proc": 0o555,
    "/root": 0o750,
    _ROOT_KEYS: 0o600,
    "/sys": 0o555,
    "/var/lib/sshd": 0o700,
    _JOURNAL: 0o2755,
    "/var/log/wtmp": 0o664,
    **dict.fromkeys(_STICKY, 0o1777),
}
_OWNERS = {
    "/var/lib/systemd/timesync": Owner(78, 78),
    _JOURNAL: Owner(0, 23),
    "/var/log/wtmp": Owner(0, 13),
}
_LINKS = {
    "/bin": "usr/bin",
    "/boot/grub": "grub2",
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
    "/var/log/journal": "../opt/journal/log",
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
_UTC = b"TZif2" + bytes(15 + 16) + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0"
"""Header and data of RFC 8536: no transitions, one type without offset, called UTC."""


def make_operations(facts: Facts) -> list[FileOp]:
    """Return what makes the tree on an empty filesystem: directories, then the rest, by path."""
    texts = _texts(facts)
    contents = {guest(path): text.encode() for path, text in texts.items()}
    contents[guest(f"{_ZONEINFO}/UTC")] = _UTC + _UTC + b"\nUTC0\n"
    made = _make_links(facts, texts)
    wanted = {guest(path) for path in (*_DIRECTORIES, *_directories(facts))}
    directories = _with_parents(wanted | {parent(path) for path in (*contents, *made)})
    return [
        *(MakeDirectory(path, *_attributes(path, 0o755)) for path in sorted(directories)),
        *(
            WriteFile(path, Blob.of(content), *_attributes(path, 0o644))
            for path, content in sorted(contents.items())
        ),
        *(MakeSymlink(path, target) for path, target in sorted(made.items())),
    ]


def _texts(facts: Facts) -> dict[str, str]:
    """Return every text by its path: those of an image, and what says that this is none."""
    texts = {**_TEXTS, **photon_files(facts, _placement(facts)), **read_texts(_TREE)}
    texts[_OS_RELEASE] += _VARIANT
    if facts.image in table("system")["cloud_init"]["images"]:
        del texts[_ROOT_KEYS]
    return texts


def _placement(facts: Facts) -> Placement:
    """Return where ``make_disk.sh``, or the table of a board's card, puts root and ESP."""
    name, esp, root = (_MBR, 1, 2) if is_board(facts) else (_GPT, 2, 3)
    return Placement(name.format(root), _ROOT_UUID, ((name.format(esp), "/boot/efi", "vfat"),))


def _directories(facts: Facts) -> Iterator[str]:
    """Yield the directories that only some images have."""
    yield facts.rpm_database.rpartition("/")[0]
    if facts.cloud_init:
        yield from _CLOUD


def _make_links(facts: Facts, texts: Mapping[str, str]) -> dict[GuestPath, str]:
    """Return every symbolic link and its target."""
    found = _LINKS | links(facts, texts)
    found["/boot/photon.cfg"] = f"linux-{kernel_name(facts)}.cfg"
    for zone in set(_ZONES.read_text().split()) - {"UTC"}:
        found[f"{_ZONEINFO}/{zone}"] = "../" * zone.count("/") + "UTC"
    return {guest(path): target for path, target in found.items()}


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
