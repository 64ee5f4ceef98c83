"""Photon's installer: which one a medium has, and the keys of a kickstart that it knows.

The installer refuses a kickstart with a key that it does not know, and its keys differ from one
revision to the next. So it is asked: its source lies in the initrd of the medium, with the set
of its ``known_keys``. A medium whose source cannot be read gets the keys that every installer
takes, from 3.0 Rev3 on: the ISOs of 4.0 are such, theirs is one binary file.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping

from builder.guest.os_release import parse_os_release
from builder.structs import Struct, field

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
"""Keys that the installer of 3.0 GA reads; it ignores all others silently."""

DISK_UNITS = ("sshd.service", "sshd-keygen.service")
"""Enabled on every disk that Photon publishes; what an installer leaves depends on its age, and
the documents of the youngest say that it masks sshd unless a key enables it."""

_FIRST = "iso_config.py"
_OLD_MEDIA, _MEDIA = "/mnt/cdrom", "/mnt/media"
_VERSION = re.compile(r"photon[_-](?:os[_-])?installer-([0-9][0-9.]*[0-9])")
_MKFS = re.compile(r"(?:^|/)s?bin/mkfs[.]([a-z0-9]+)$")


class Installer(Struct, frozen=True):
    """What is known of a medium's installer.

    Attributes:
        name: Name for messages.
        keys: Top-level keys that it knows.
        media: Where it mounts the medium.
        package_lists: Names of its package lists.
        release: The text of its ``/etc/photon-release``, first line.
        listed: Packages of the lists whose content could be read.
        filesystems: Those that its initrd has a mkfs for; empty when none was seen.
        build: Commit that ``/etc/photon-release`` names; empty when it names none.
    """

    name: str = "an installer whose source cannot be read"
    keys: frozenset[str] = COMMON_KEYS
    media: str = _MEDIA
    package_lists: tuple[str, ...] = ()
    release: str = ""
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filesystems: frozenset[str] = frozenset()
    build: str = ""

    @property
    def names_kernel(self) -> bool:
        """Return whether a key of its own says which kernel is installed."""
        return "linux_flavor" in self.keys

    @property
    def copies_files(self) -> bool:
        """Return whether ``additional_files`` brings files into the installed system."""
        return "additional_files" in self.keys


def is_telling(path: str) -> bool:
    """Return whether a file of an initrd says something about the installer."""
    folder, _, name = path.rpartition("/")
    if path == "etc/photon-release" or (folder == "installer" and name.startswith("packages_")):
        return True
    own = folder == "installer" or folder.endswith(("/photon_installer", "installer/modules"))
    is_info = ".dist-info/" in path and bool(_VERSION.search(path))
    return (own and name.endswith(".py")) or is_info or bool(_MKFS.search(path))


def identify(files: Mapping[str, bytes]) -> Installer:
    """Return the installer that the files of an initrd identify.

    Args:
        files: Path to content, of those that :func:`is_telling` names.
    """
    code = {path: data.decode(errors="replace") for path, data in files.items() if _is_code(path)}
    name, keys, media = _known(code, files)
    stated = files.get("etc/photon-release", b"").decode(errors="replace")
    build = parse_os_release(stated).get("PHOTON_BUILD_NUMBER", "")
    lists = {
        base: _packages_of(files[path])
        for path in files
        if (base := path.rpartition("/")[2]).startswith("packages_")
    }
    made = frozenset(found[1] for path in files if (found := _MKFS.search(path)))
    release = stated.partition("\n")[0]
    return Installer(name, keys, media, tuple(sorted(lists)), release, lists, made, build)


def _is_code(path: str) -> bool:
    """Return whether a file is Python source."""
    return path.endswith(".py")


def _known(code: Mapping[str, str], paths: Iterable[str]) -> tuple[str, frozenset[str], str]:
    """Return name and keys of an installer, and where it mounts its medium."""
    keys = next(filter(None, map(known_keys, code.values())), frozenset())
    if keys:
        version = next((found[1] for path in paths if (found := _VERSION.search(path))), "")
        where = "photon-os-installer" if not _is_in_tree(code) else "the installer of Photon 3.0"
        return f"{where} {version}".strip(), keys, _media(code)
    if any(path.rpartition("/")[2] == _FIRST for path in code):
        return "the first installer of 3.0", _FIRST_KEYS, _OLD_MEDIA
    unknown = Installer()
    return unknown.name, unknown.keys, unknown.media


def _packages_of(data: bytes) -> tuple[str, ...]:
    """Return the packages of a list, for every architecture; nothing when it is none."""
    try:
        value = json.loads(data)
    except ValueError:
        return ()
    found = value.get("packages", ()) if isinstance(value, dict) else ()
    return tuple(str(name) for name in found) if isinstance(found, list) else ()


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
    """Return whether the installer was part of Photon's own sources."""
    return not any("/photon_installer/" in path for path in code)


def _media(code: Mapping[str, str]) -> str:
    """Return where an installer mounts its medium, as its source has it."""
    everything = "\n".join(code.values())
    return _OLD_MEDIA if _OLD_MEDIA in everything and _MEDIA not in everything else _MEDIA
