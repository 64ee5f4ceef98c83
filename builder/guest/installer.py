"""Photon's installer: which one a medium has, the keys it knows, and the kickstart it reads.

The installer refuses a kickstart with a key that it does not know, and its keys differ from one
revision to the next. So it is asked: its source lies in the initrd of the medium, with the set
of its ``known_keys``. A medium whose source cannot be read gets the keys that every installer
takes, from 3.0 Rev3 on. Kickstarts are JSON; only POI 2.4 and newer would read YAML.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from builder.errors import GuestError
from builder.structs import Struct

COMMON_KEYS = frozenset(
    {
        *("hostname", "password", "disk", "bootmode", "linux_flavor", "packagelist_file"),
        *("additional_packages", "public_key", "additional_files", "postinstall"),
        *("partitions", "packages", "eject_cdrom", "search_path", "partition_type"),
    }
)
"""Known to every installer from 3.0 Rev3 to POI 2.7."""

_FIRST_KEYS = frozenset(
    {
        *("hostname", "password", "disk", "partitions", "packagelist_file", "type", "boot"),
        *("additional_packages", "postinstall", "public_key", "install_linux_esx", "eject_cdrom"),
    }
)
"""What the installer of 3.0 GA looks at; it passes over all others in silence."""

DISK_UNITS = ("sshd.service", "sshd-keygen.service")
"""Enabled on every disk that Photon publishes; what an installer leaves depends on its age, and
the documents of the youngest say that it masks sshd unless it is told otherwise."""

_FIRST = "iso_config.py"
_OLD_MEDIA, _MEDIA = "/mnt/cdrom", "/mnt/media"
_VERSION = re.compile(r"photon[_-](?:os[_-])?installer-([0-9][0-9.]*[0-9])")
_WITH_AB = "preinstall"
"""A key as old as the A/B partitions, which are no key of their own: POI 2.1."""

_WITH_LINKS = "disks"
"""A key as old as the following of links to a disk: POI 2.4."""


class Installer(Struct, frozen=True):
    """What is known of a medium's installer.

    Attributes:
        name: For people.
        keys: Top-level keys that it knows.
        media: Where it mounts the medium.
        package_lists: Names of its package lists.
        release: The text of its ``/etc/photon-release``, first line.
    """

    name: str = "an installer whose source cannot be read"
    keys: frozenset[str] = COMMON_KEYS
    media: str = _MEDIA
    package_lists: tuple[str, ...] = ()
    release: str = ""

    @property
    def copies_files(self) -> bool:
        """Whether ``additional_files`` brings files into the installed system."""
        return "additional_files" in self.keys


def is_telling(path: str) -> bool:
    """Tell whether a file of an initrd says something about the installer."""
    folder, _, name = path.rpartition("/")
    if path == "etc/photon-release" or (folder == "installer" and name.startswith("packages_")):
        return True
    own = folder == "installer" or folder.endswith(("/photon_installer", "installer/modules"))
    return (own and name.endswith(".py")) or (".dist-info/" in path and bool(_VERSION.search(path)))


def identify(files: Mapping[str, bytes]) -> Installer:
    """Return what the telling files of an initrd say.

    Args:
        files: Path to content, of those that :func:`is_telling` names.
    """
    sources = {path: data.decode(errors="replace") for path, data in files.items()}
    code = {path: text for path, text in sources.items() if path.endswith(".py")}
    release = sources.get("etc/photon-release", "").partition("\n")[0]
    lists = tuple(
        sorted(name for path in files if (name := path.rpartition("/")[2]).startswith("packages_"))
    )
    keys = next(filter(None, map(known_keys, code.values())), frozenset())
    if keys:
        version = next((found[1] for path in files if (found := _VERSION.search(path))), "")
        where = "photon-os-installer" if not _is_in_tree(code) else "the installer of Photon 3.0"
        return Installer(f"{where} {version}".strip(), keys, _media(code), lists, release)
    if any(path.rpartition("/")[2] == _FIRST for path in code):
        return Installer("the first installer of 3.0", _FIRST_KEYS, _OLD_MEDIA, lists, release)
    return Installer(package_lists=lists, release=release)


def known_keys(source: str) -> frozenset[str]:
    """Return the literal set ``known_keys`` of a Python source; empty without one."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Set | ast.List | ast.Tuple):
            names = {each.id for each in node.targets if isinstance(each, ast.Name)}
            if "known_keys" in names:
                words = (e.value for e in node.value.elts if isinstance(e, ast.Constant))
                return frozenset(word for word in words if isinstance(word, str))
    return frozenset()


def _is_in_tree(code: Mapping[str, str]) -> bool:
    """Tell the installer that was part of Photon's own sources."""
    return not any("/photon_installer/" in path for path in code)


def _media(code: Mapping[str, str]) -> str:
    """Return where an installer mounts its medium, as its source has it."""
    everything = "\n".join(code.values())
    return _OLD_MEDIA if _OLD_MEDIA in everything and _MEDIA not in everything else _MEDIA


def make_disk_keys(install: Mapping[str, Any], installer: Installer) -> dict[str, Any]:
    """Return the keys for what the spec's ``install`` section says.

    Raises:
        GuestError: the installer cannot do it.
    """
    keys = {key: install[key] for key in ("disk", "bootmode", "eject_cdrom") if key in install}
    _check_disk(install.get("disk", ""), installer)
    if "partitions" in install:
        _check_partitions(install["partitions"])
        keys["partitions"] = [_partition(each, installer) for each in install["partitions"]]
    return {**keys, **_flavor(install.get("linux_flavor", ""), installer)}


def _check_disk(disk: str, installer: Installer) -> None:
    """Refuse a link to a disk where the installer would take it for the disk's own name."""
    if disk.startswith("/dev/disk/") and _WITH_LINKS not in installer.keys:
        raise GuestError(
            f"{installer.name} does not follow the link {disk}",
            code="INS007",
            hint="name the device itself, such as /dev/sda, or use an ISO with a newer installer",
        )


def _check_partitions(entries: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what the installer would refuse, minutes later and on somebody's console."""
    points = [entry["mountpoint"] for entry in entries if entry["mountpoint"]]
    rest = [entry["mountpoint"] for entry in entries if not entry.get("size")]
    problem = ""
    if "/" not in points:
        problem = "no partition is mounted at /"
    elif len(points) != len(set(points)):
        problem = "two partitions are mounted at the same place"
    elif len(rest) != 1:
        problem = f"{len(rest)} partitions take the rest of the disk; wanted one"
    elif any(each["mountpoint"] == "/boot" and "lvm" in each for each in entries):
        problem = "/boot lies on a logical volume, where no boot loader finds it"
    elif any(_is_wrong_esp(each) for each in entries):
        problem = "/boot/efi is no vfat, where no firmware finds a boot loader"
    if problem:
        raise GuestError(problem, code="INS001", hint="see install.partitions in the spec")


def _is_wrong_esp(entry: Mapping[str, Any]) -> bool:
    """Tell an EFI system partition of another filesystem."""
    return entry["mountpoint"] == "/boot/efi" and entry.get("filesystem") != "vfat"


def _partition(entry: Mapping[str, Any], installer: Installer) -> dict[str, Any]:
    """Return a partition in the installer's words; all but the newest want a filesystem."""
    if entry.get("ab") and _WITH_AB not in installer.keys:
        raise GuestError(
            f"A/B partitions need a newer installer than {installer.name}",
            code="INS002",
            hint="use an ISO of Photon 5.0, or drop `ab`",
        )
    return {"size": 0, "filesystem": "ext4", **entry}


def _flavor(flavor: str, installer: Installer) -> dict[str, Any]:
    """Return the key that chooses the kernel, in the words of an installer."""
    if not flavor or "linux_flavor" in installer.keys:
        return {"linux_flavor": flavor} if flavor else {}
    if "install_linux_esx" in installer.keys and flavor in {"linux", "linux-esx"}:
        return {"install_linux_esx": flavor == "linux-esx"}
    raise GuestError(
        f"{installer.name} cannot choose the kernel {flavor}",
        code="INS003",
        hint="use linux or linux-esx, or a newer ISO",
    )


def format_kickstart(keys: Mapping[str, Any], installer: Installer) -> str:
    """Return the kickstart's text.

    Raises:
        GuestError: it has a key that the installer would refuse, or pass over.
    """
    unknown = sorted(keys.keys() - installer.keys)
    if unknown:
        raise GuestError(
            f"{installer.name} does not know the kickstart key {', '.join(unknown)}",
            code="INS004",
            hint="drop what asks for it from `install`, or use a newer ISO",
        )
    return json.dumps(keys, indent=2, sort_keys=True) + "\n"
