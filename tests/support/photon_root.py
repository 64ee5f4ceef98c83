"""A root tree shaped like Photon's: small, from data, in well under a second."""

import functools
import hashlib
from pathlib import Path
from typing import Final

from tests.support.photon_releases import RELEASES, Placement, Release
from tests.support.photon_texts import configuration, units_of_system
from tests.support.photon_units import enablement
from tests.support.tree import Directory, File, Link, Tree, TreeFolder, program

PLACEMENT: Final = Placement(
    "6a5a1f2e-0b1c-4b53-9d3c-3f0e1c2b4a5d", "0c9d3a52-6f0e-4a3e-8a37-2f1f4b1f6a11"
)
"""Used when nothing says where the root lies."""

_SKELETON: Final = (
    "/dev", "/proc", "/sys", "/run", "/home", "/mnt/cdrom", "/boot/efi", "/etc/skel",
    "/etc/systemd/network", "/usr/share", "/usr/lib/modules", "/usr/libexec", "/usr/local/bin",
    "/usr/local/lib", "/usr/local/sbin", "/usr/local/share", "/usr/sbin", "/var/cache/tdnf",
    "/var/lib/systemd", "/var/mail", "/var/opt", "/var/spool", "/var/srv", "/etc/pki/rpm-gpg",
)  # fmt: skip
_STICKY: Final = tuple(f"{parent}tmp" for parent in ("/", "/var/"))
_TOOLS: Final = (
    "bash", "bc", "cat", "chmod", "chown", "cp", "cut", "date", "dd",
    "df", "du", "echo", "env", "false", "file", "find", "gdbus", "grep",
    "gzip", "head", "hostname", "id", "install", "ip", "journalctl", "kill", "ln", "login", "ls",
    "mkdir", "mktemp", "mount", "mv", "networkctl", "passwd", "ps", "pwd",
    "readlink", "resolvectl", "rm", "rmdir", "rpm", "sed", "sleep", "sort", "ssh", "ssh-keygen",
    "stat", "stty", "su", "sync", "systemctl", "systemd-tmpfiles", "tail", "tdnf", "tee", "test",
    "timedatectl", "touch", "tr", "true", "umount", "uname", "vi", "vim", "wc",
    "which", "xargs",
)  # fmt: skip
_SYSTEM_TOOLS: Final = (
    "agetty", "chpasswd", "groupadd", "ip6tables", "ip6tables-restore", "iptables",
    "iptables-restore", "modprobe", "reboot", "sshd", "sysctl", "useradd", "usermod",
)  # fmt: skip
_PROGRAMS: Final = {
    "docker": ("docker", "dockerd"),
    "containerd": ("containerd",),
    "cloud-init": ("cloud-init",),
    "open-vm-tools": ("vmtoolsd", "VGAuthService"),
    "iputils": ("ping",),
    "sudo": ("sudo",),
    "wpa_supplicant": ("wpa_supplicant",),
}
"""Programs that only some images have, by package."""

_FOLDERS: Final = {
    "docker": ("/var/lib/docker",),
    "cloud-init": ("/var/lib/cloud", "/etc/cloud/cloud.cfg.d"),
    "sudo": ("/etc/sudoers.d",),
}
_ZONES: Final = (
    "UTC", "Etc/UTC", "Asia/Shanghai", "Asia/Tokyo", "Europe/Berlin", "Europe/London",
    "America/New_York",
)  # fmt: skip


def make_small_root(
    directory: Path, release: Release = RELEASES["5.0"], placement: Placement = PLACEMENT
) -> TreeFolder:
    """Write a Photon-shaped root of some 200 files below ``directory``."""
    folder = TreeFolder(directory)
    folder.add_tree(small_tree(release, placement))
    folder.seal()
    return folder


def small_tree(release: Release, placement: Placement) -> Tree:
    """Return the whole small root as data."""
    return {
        **{path: Directory() for path in _SKELETON},
        **{f"/usr/bin/{name}": program() for name in _TOOLS},
        **{f"/usr/sbin/{name}": program() for name in _SYSTEM_TOOLS},
        **{f"/usr/share/zoneinfo/{zone}": _time_zone(zone) for zone in _ZONES},
        **_of_packages(release),
        **units_of_system(release),
        **_filler(release),
        **photon_shape(release, placement),
    }


@functools.cache
def shape_key(release: Release) -> str:
    """Return what tells the revision's root from that of other tables or other code."""
    entries = sorted(small_tree(release, PLACEMENT).items())
    return hashlib.sha256(repr(entries).encode()).hexdigest()


def photon_shape(release: Release, placement: Placement) -> Tree:
    """Return what makes any usr-merged root look like Photon's."""
    return {
        "/": Directory(0o755),
        "/root": Directory(0o750),
        "/root/.ssh": Directory(0o700),
        **{path: Directory(0o1777) for path in _STICKY},
        "/var/opt/journal/log": Directory(0o2755, 0, 23),
        "/var/log/journal": Link("../opt/journal/log"),
        "/bin": Link("usr/bin"),
        "/sbin": Link("usr/sbin"),
        "/lib": Link("usr/lib"),
        "/lib64": Link("usr/lib"),
        "/usr/lib64": Link("lib"),
        "/usr/local/lib64": Link("lib"),
        "/media": Link("run/media"),
        "/srv": Link("var/srv"),
        "/var/run": Link("../run"),
        "/var/lock": Link("../run/lock"),
        "/etc/mtab": Link("/proc/self/mounts"),
        "/etc/localtime": Link("../usr/share/zoneinfo/UTC"),
        "/boot/grub": Link("grub2"),
        "/boot/photon.cfg": Link(f"linux-{release.kernel}.cfg"),
        f"/boot/vmlinuz-{release.kernel}": _noise("vmlinuz", 200_000),
        f"/boot/System.map-{release.kernel}": _noise("System.map", 40_000),
        "/usr/lib/systemd/network": Directory(),
        release.rpm_database: _noise("rpm", 120_000),
        **_initrd(release),
        **enablement(release),
        **configuration(release, placement),
    }


def _of_packages(release: Release) -> Tree:
    """Return programs and folders of the packages that not every image has."""
    held = [name for name in _PROGRAMS if release.facts.has_package(name)]
    return {
        **{f"/usr/bin/{each}": program() for name in held for each in _PROGRAMS[name]},
        **{path: Directory() for name in held for path in _FOLDERS.get(name, ())},
    }


def _initrd(release: Release) -> Tree:
    """Return the initial RAM disk, where the image has one."""
    is_there = release.facts.has_package("initramfs")
    path = f"/boot/initrd.img-{release.kernel}"
    return {path: _noise("initrd", 60_000)} if is_there else {}


def _python(release: Release) -> str:
    """Return the name of the revision's Python."""
    return f"python{'.'.join(release.facts.version_of('python3').split('.')[:2])}"


def _filler(release: Release) -> Tree:
    """Return files whose only use is to be there: sparse, empty, deep, large, oddly named."""
    python = _python(release)
    deep = f"/usr/lib/{python}/site-packages/cloudinit/sources/helpers/vmware/imc"
    return {
        "/usr/lib/systemd/systemd": _noise("systemd", 90_000, 0o755),
        "/usr/lib/libc.so.6": _noise("libc", 300_000, 0o755),
        "/usr/lib/libsparse.so": File(bytes(1 << 20), 0o755),
        "/usr/bin/sh": Link("bash"),
        f"/usr/bin/{python}": program(),
        "/usr/bin/python3": Link(python),
        "/usr/bin/passwd": File(b"#!/bin/sh\n", 0o4755),
        f"{deep}/config.py": File(b"# deep\n"),
        "/usr/share/doc/a name with spaces": File(b"space\n"),
        "/usr/share/doc/na\u00efve.txt": File(b"utf-8\n"),
        "/usr/share/doc/empty": File(b""),
        "/usr/share/long": Link("/usr/share/" + "long-target/" * 10),
        "/var/lib/systemd/timesync/clock": File(b"", 0o644, 78, 78),
        "/run/lock": Directory(),
    }


def _noise(seed: str, size: int, mode: int = 0o644) -> File:
    """Make a file that compresses about as a program does."""
    half = hashlib.shake_128(seed.encode()).digest(size // 2)
    return File(half + half[:1] * (size - len(half)), mode)


def _time_zone(name: str) -> File:
    """Make a TZif file, RFC 8536, that says UTC under the name of the zone."""
    header = b"TZif2" + bytes(15) + b"\0\0\0\0" * 3 + b"\0\0\0\0" + b"\0\0\0\1" + b"\0\0\0\4"
    block = header + bytes(6) + b"UTC\0"
    return File(block + block + f"\n<{name[:3]}>0\n".encode())
