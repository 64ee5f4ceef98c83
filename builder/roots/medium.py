"""The tree of an ISO 9660 image as a root that is read; what is added goes to a copy."""

from collections.abc import Iterator

from builder.engine.tree import Tree, sha256_of
from builder.errors import FormatError, GuestError
from builder.formats.cpio import iter_files
from builder.formats.filesystem import Content, Node
from builder.formats.iso9660 import Iso
from builder.guest import installer
from builder.guest.installer import Installer
from builder.guestpath import guest
from builder.roots.mounted import MountedRoot

_ARCHITECTURES = ("x86_64", "aarch64")
INITRD = guest("/isolinux/initrd.img")
_KNOWN: dict[str, Installer] = {}
"""By the digest of an initrd: the proof of a medium meets the one of its base again."""


class MediumTree:
    """The filesystem of an image."""

    holds_modes = True

    def __init__(self, iso: Iso) -> None:
        self._iso = iso

    @property
    def free(self) -> int:
        """Nothing can be allocated: an image is added to by making another."""
        return 0

    def lstat(self, path: str) -> Node | None:
        """Describe ``path``; ``None`` if absent."""
        return self._iso.lstat(path)

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's content."""
        return self._iso.chunks(path)

    def names(self, path: str) -> list[str]:
        """Return a directory's entries."""
        return self._iso.names(path)

    def write_file(self, path: str, content: Content, *, mode: int, uid: int, gid: int) -> None:
        """Refuse."""
        del content, mode, uid, gid
        raise _read_only(path)

    def make_directory(self, path: str, *, mode: int, uid: int, gid: int) -> None:
        """Refuse."""
        del mode, uid, gid
        raise _read_only(path)

    def make_symlink(self, path: str, target: str) -> None:
        """Refuse."""
        del target
        raise _read_only(path)

    def remove(self, path: str) -> None:
        """Refuse."""
        raise _read_only(path)

    def flush(self) -> None:
        """Do nothing: nothing is held back."""


def open_medium(iso: Iso) -> MountedRoot:
    """Return the tree of an image."""
    return MountedRoot({guest("/"): MediumTree(iso)})


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


def _read_only(path: str) -> GuestError:
    return GuestError(f"{path}: an ISO 9660 image cannot be changed in place")
