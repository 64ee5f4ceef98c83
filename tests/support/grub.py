"""GRUB written into a disk image for BIOS and UEFI, with no loop device and no privilege.

Source: GRUB manual 2.06, "BIOS installation" and "Images"; ``grub-core/boot/i386/pc/boot.S`` and
``diskboot.S`` for where the images keep the sectors that they load.
"""

import struct
import tempfile
from pathlib import Path
from typing import Final

from builder.formats.disk import SECTOR
from tests.support.judges import judge
from tests.support.tree import Entry, File, text

_LIBRARY: Final = Path("/usr/lib/grub")
_MODULES: Final = (
    "all_video", "boot", "configfile", "echo", "ext2", "fat", "font", "gfxmenu", "gfxterm",
    "halt", "linux", "loadenv", "normal", "part_gpt", "part_msdos", "png", "reboot", "search",
    "search_fs_file", "search_fs_uuid", "sleep", "terminal", "test", "true", "video", "video_fb",
)  # fmt: skip
_KERNEL_SECTOR: Final = 0x5C
"""boot.img: the first sector of core.img, 64 bits."""
_DRIVE_CHECK: Final = 0x66
"""boot.img: two bytes of a jump, made no-ops on a hard disk, where the BIOS says the drive."""
_TABLE: Final = slice(0x1B8, 0x200)
"""Disk signature, partition table and boot signature, which stay the disk's."""
_BLOCK_LIST: Final = 0x1F4
"""core.img, first sector: where the rest lies: sector, 64 bits, and number of sectors, 16 bits."""


def install_bios(disk: Path, partition: tuple[int, int], *, root_partition: int) -> None:
    """Put GRUB into the boot sector and the BIOS boot partition.

    Args:
        disk: Raw image with a GPT.
        partition: Offset and size in bytes of the BIOS boot partition.
        root_partition: Number of the partition that holds ``/boot/grub2``.
    """
    offset, size = partition
    core = bytearray(_image("i386-pc", f"(,gpt{root_partition})/boot/grub2", "biosdisk", "vbe"))
    core += bytes(-len(core) % SECTOR)
    if len(core) > size:
        raise AssertionError(f"GRUB has {len(core)} bytes, its partition {size}")
    first = offset // SECTOR
    struct.pack_into("<QH", core, _BLOCK_LIST, first + 1, len(core) // SECTOR - 1)
    boot = bytearray((_LIBRARY / "i386-pc/boot.img").read_bytes())
    struct.pack_into("<Q", boot, _KERNEL_SECTOR, first)
    boot[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    with disk.open("r+b") as stream:
        boot[_TABLE] = stream.read(SECTOR)[_TABLE]
        stream.seek(0)
        stream.write(boot)
        stream.seek(offset)
        stream.write(core)


def install_efi(disk: Path, partition: tuple[int, int]) -> None:
    """Put GRUB where the firmware looks on the EFI system partition; its menu is there already."""
    with tempfile.NamedTemporaryFile(suffix=".efi") as scratch:
        scratch.write(efi_image())
        scratch.flush()
        for name in ("bootx64.efi", "grubx64.efi"):
            judge(
                "mcopy", "-o", "-i", f"{disk}@@{partition[0]}", scratch.name, f"::/EFI/BOOT/{name}",
                env={"MTOOLS_SKIP_CHECK": "1"},
            )  # fmt: skip


def efi_image() -> bytes:
    """Return GRUB for UEFI, which reads its menu from ``/boot/grub2`` of where it came from."""
    return _image("x86_64-efi", "/boot/grub2", "efi_gop", "efi_uga", "iso9660", "probe")


def arm_image(library: Path) -> bytes:
    """Return GRUB for UEFI on arm64, whose modules this machine's package has not."""
    return _image("arm64-efi", "/boot/grub2", "efi_gop", library=library)


def bios_image() -> bytes:
    """Return GRUB's second stage for a disk whose root may be any partition."""
    with tempfile.NamedTemporaryFile("w") as config:
        config.write("search --set=root --file /boot/photon.cfg\nset prefix=($root)/boot/grub2\n")
        config.flush()
        return _image("i386-pc", "/boot/grub2", "biosdisk", "vbe", config=config.name)


def add_fonts() -> dict[str, Entry]:
    """Return the font and the theme that Photon's menu asks for."""
    font = Path("/usr/share/grub/ascii.pf2").read_bytes()
    theme = '# A plain menu.\ndesktop-color: "#000000"\n+ boot_menu { left = 10% width = 80% }\n'
    return {
        "/boot/grub2/fonts/ascii.pf2": File(font),
        "/boot/grub2/themes/photon/theme.txt": text(theme),
    }


def _image(
    kind: str, prefix: str, *modules: str, config: str = "", library: Path | None = None
) -> bytes:
    """Return GRUB's core with everything in it that the menu needs; ``config`` runs first."""
    first = ("-c", config) if config else ()
    with tempfile.NamedTemporaryFile() as made:
        judge(
            "grub-mkimage", "-O", kind, "-d", library or _LIBRARY / kind, "-p", prefix,
            "-o", made.name, *first, *_MODULES, *modules,
        )  # fmt: skip
        return Path(made.name).read_bytes()
