"""The tree of an ISO 9660 image as a root that is read; what is added goes to a copy."""

from collections.abc import Iterator

from builder.engine.tree import Tree, sha256_of
from builder.errors import FormatError
from builder.formats.cpio import iter_files
from builder.formats.iso9660 import Iso
from builder.guest import installer
from builder.guest.installer import Installer
from builder.guestpath import guest
from builder.roots.mounted import MountedRoot
from builder.roots.read_only import ReadOnlyFilesystem

_ARCHITECTURES = ("x86_64", "aarch64")
INITRD = guest("/isolinux/initrd.img")
_KNOWN: dict[str, Installer] = {}
"""By the digest of an initrd: the proof of a medium meets the one of its base again."""


def open_medium(iso: Iso) -> MountedRoot:
    """Return the tree of an image."""
    return MountedRoot({guest("/"): ReadOnlyFilesystem(iso, "an ISO 9660 image")})


def read_installer(root: Tree) -> Installer | None:
    """Return what is known of the installer in the initrd of a medium, ``None`` without one."""
    if root.lstat(INITRD) is None:
        return None
    digest = sha256_of(root, INITRD)
    if digest not in _KNOWN:
        _KNOWN[digest] = _identify(root.chunks(INITRD))
    return _KNOWN[digest]


def read_arch(root: Tree) -> str:
    """Return the architecture of the packages on a medium; empty when it has none of their folders.

    An ISO image of Photon has its packages in a folder of this name, whatever its boot loaders.
    """
    return next((arch for arch in _ARCHITECTURES if root.lstat(guest(f"/RPMS/{arch}"))), "")


def _identify(initrd: Iterator[bytes]) -> Installer:
    """Return what an initrd says; it takes as long as unpacking it."""
    try:
        return installer.identify(dict(iter_files(initrd, installer.is_telling)))
    except FormatError:
        return Installer()
