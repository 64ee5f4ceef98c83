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
_RESIZE: Final = """\
[Unit]
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/usr/local/bin/resizefs.sh

[Install]
WantedBy=multi-user.target
"""
RADIO: Final = """\
[Unit]
Description=Wireless networks on %I
BindsTo=sys-subsystem-net-devices-%i.device
After=sys-subsystem-net-devices-%i.device

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/wpa_supplicant -B -c /etc/wpa_supplicant/wpa_supplicant-%I.conf -i %I

[Install]
WantedBy=multi-user.target
"""
"""As Photon's: it needs the radio, and is not looked at again once it has started."""
_UNITS: Final = "/usr/lib/systemd/system"


@dataclass(frozen=True, slots=True)
class Card:
    """A raw image of a card.

    Attributes:
        path: The file.
        root: First byte of the root filesystem.
    """

    path: Path
    root: int


def make_card(cache: Path, folder: Path, size: int = 512 * MIB) -> Card:
    """Make a card from a Photon-shaped disk, by sgdisk alone."""
    base = make_base(cache, Recipe(kind="raw", size=size))
    path = folder / "card.raw"
    judge("cp", "--sparse=always", base.path, path)
    path.chmod(0o644)
    judge("sgdisk", "--gpttombr=2:3", path)
    return Card(path, base.root_offset)


def make_board_card(cache: Path, folder: Path, size: int = 512 * MIB) -> Card:
    """Make a card with what Photon's image for a board has, by mtools and debugfs."""
    card = make_card(cache, folder, size)
    texts = {"config.txt": CONFIG_TXT, "fstab": _FSTAB, "resize": _RESIZE, "radio": RADIO}
    for name, text in texts.items():
        (folder / name).write_text(text)
    judge("mcopy", "-i", f"{card.path}@@{FIRMWARE_OFFSET}", folder / "config.txt", "::/")
    commands = [
        "rm /etc/fstab",
        f"write {folder}/fstab /etc/fstab",
        f"cd {_UNITS}",
        f"write {folder}/resize resizefs.service",
        f"write {folder}/radio wpa_supplicant@.service",
        "cd /etc/systemd/system/multi-user.target.wants",
        f"symlink resizefs.service {_UNITS}/resizefs.service",
    ]
    (folder / "commands").write_text("".join(f"{command}\n" for command in commands))
    judge("debugfs", "-w", "-f", folder / "commands", f"{card.path}?offset={card.root}")
    judge("e2fsck", "-fn", f"{card.path}?offset={card.root}")
    return card
