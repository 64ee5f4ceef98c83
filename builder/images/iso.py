"""An ISO 9660 image: installation media, source media.

The boot code of a hybrid image ends like that of a disk, so images are recognised by the volume
descriptor, which lies behind what is sniffed: the file is looked into once more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from builder.formats.magic import ISO
from builder.guest.os_release import Release
from builder.images import Container, Image, name_base
from builder.roots.disk import Volume
from builder.roots.mounted import MountedRoot

if TYPE_CHECKING:
    from builder.formats.iso9660 import Iso
    from builder.guest.installer import Installer


class MediumImage(Image):
    """An image whose tree is that of the medium: there is no disk with partitions in it."""

    def volumes(self) -> tuple[Volume, ...]:
        """Return none."""
        return ()

    def root(self) -> MountedRoot:
        """Return the tree of the medium."""
        return self._tree

    def __init__(self, iso: "Iso") -> None:
        from builder.roots.medium import open_medium

        self._tree = open_medium(iso)
        facts = _facts(iso, self._tree)
        super().__init__(
            "iso", iso.disk, facts, lambda full: _check(iso, full=full), has_guest=False
        )


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open an image; the codec is imported when there is one."""
    from builder.formats.iso9660 import open_iso

    with open_iso(path) as iso:
        yield MediumImage(iso)


def _check(iso: "Iso", *, full: bool) -> None:
    """Check the structures; what a second reader sees of them, too, when all is to be read."""
    if full:
        from builder.formats.iso9660.second_reader import check_image

        check_image(iso)
    else:
        iso.check(full=False)


def _facts(iso: "Iso", root: MountedRoot) -> dict[str, object]:
    """Return the properties of the image."""
    from builder.roots.medium import read_installer

    known = read_installer(root)
    return {
        "volume": iso.volume_id,
        "boots": 0 if iso.boot is None else len(iso.boot.entries),
        "firmware": _firmware(iso),
        "checksum": "implanted" if iso.media_sum else "none",
        "installer": "none" if known is None else known.name,
        "release": "" if known is None else known.release,
        **({} if known is None or not known.release else {"base": _name_base(known)}),
    }


def _name_base(known: "Installer") -> str:
    """Return which revision's medium it is, by the commit that its initrd names."""
    version = known.release.rpartition(" ")[2]
    return name_base(Release(version, known.build))


def _firmware(iso: "Iso") -> list[str]:
    """Return which firmware starts from the image: BIOS, EFI or both, in that order."""
    from builder.formats.iso9660.el_torito import EFI

    entries = [entry for entry in iso.boot.entries if entry.bootable] if iso.boot else []
    return sorted({"efi" if entry.platform == EFI else "bios" for entry in entries})


CONTAINER = Container("iso", ISO.matches, _open, order=-1)
