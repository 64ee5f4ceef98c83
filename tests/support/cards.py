"""Cards for a Raspberry Pi: an MBR, firmware on FAT, a Photon-shaped root that grows itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.formats.disk import MIB
from tests.support.bases import Recipe, make_base
from tests.support.judges import judge

FIRMWARE_OFFSET: Final = 5 * MIB
CONFIG_TXT: Final = """\
# Refer to the documentation
initial_turbo=60
enable_uart=1

[pi3]
dtoverlay=upstream
kernel=u-boot-rpi3.bin

[pi4]
dtoverlay=upstream-pi4
kernel=u-boot-rpi4.bin

[all]
arm_64bit=1
"""
_FSTAB: Final = """\
/dev/mmcblk0p2\t/\text4\tdefaults\t1\t1
/dev/mmcblk0p1\t/boot/efi\tvfat\tdefaults\t1\t2
LABEL=PHOTON_SWAP\tnone\tswap\tdefaults\t0\t0
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A raw image of a card.

    Attributes:
        path: The file.
        root: First byte of the root filesystem.
    """

    path: Path
    root: int


def make_card(cache: Path, folder: Path, size: int = 512 * MIB, image: str = "") -> Card:
    """Make a card from a Photon-shaped disk, by sgdisk alone."""
    base = make_base(cache, Recipe(kind="raw", size=size, image=image))
    path = folder / "card.raw"
    judge("cp", "--sparse=always", base.path, path)
    path.chmod(0o644)
    judge("sgdisk", "--gpttombr=2:3", path)
    return Card(path, base.root_offset)


def make_board_card(cache: Path, folder: Path, size: int = 512 * MIB) -> Card:
    """Make a card with what Photon's image for a board has, by mtools and debugfs."""
    card = make_card(cache, folder, size, "rpi")
    for name, text in {"config.txt": CONFIG_TXT, "fstab": _FSTAB}.items():
        (folder / name).write_text(text)
    judge("mcopy", "-i", f"{card.path}@@{FIRMWARE_OFFSET}", folder / "config.txt", "::/")
    commands = ["rm /etc/fstab", f"write {folder}/fstab /etc/fstab"]
    (folder / "commands").write_text("".join(f"{command}\n" for command in commands))
    judge("debugfs", "-w", "-f", folder / "commands", f"{card.path}?offset={card.root}")
    judge("e2fsck", "-fn", f"{card.path}?offset={card.root}")
    return card
