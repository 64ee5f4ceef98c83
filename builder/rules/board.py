"""Rules of the keys for boards: firmware, radio, console, swap."""

import re
from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, find, warning
from builder.sizes import mib_of

_OVERLAYS = {
    r"i2c-rtc(-gpio)?,(ds13\d\d|ds323[12]|mcp794\w+)\b": "RTC_DRV_DS1307",
    r"i2c-rtc(-gpio)?,pcf8563\b": "RTC_DRV_PCF8563",
    r"i2c-rtc(-gpio)?,pcf212[79]\b": "RTC_DRV_PCF2127",
    r"w1-gpio(-pullup)?\b": "W1",
}
"""Overlay of config.txt to the option of the kernel whose driver it describes a device for.

Source: overlays/README of Raspberry Pi's firmware; Kconfig of Linux 6.1."""


def _without_driver(subject: Subject) -> Iterator[Diagnostic]:
    """Find overlays for devices that no kernel of the base drives."""
    boards = [facts for facts in subject.bases.values() if facts.image == "rpi"]
    for overlay, section in subject.sections("config_txt") if boards else ():
        for name, settings in section.items():
            for index, line in enumerate(settings.get("add", ())):
                key, _, value = line.partition("=")
                option = _option(value.strip()) if key.strip() == "dtoverlay" else ""
                lacking = [each for each in boards if each.kernel_option(option) == "n"]
                if option and lacking:
                    message = f"{line}: the kernel of {lacking[0].text} has no driver for it"
                    yield find(overlay, ("config_txt", name, "add", index), message, "drop it")


def _option(overlay: str) -> str:
    """Return the option that an overlay needs, empty when that is not known."""
    return next((o for pattern, o in _OVERLAYS.items() if re.match(pattern, overlay)), "")


def _too_much_swap(subject: Subject) -> Iterator[Diagnostic]:
    """Find a swap file that is as large as the disk that it shall lie on."""
    disk = subject.spec.sections.get("disk", {}).get("size")
    for overlay, value in subject.sections("swap") if disk else ():
        given = value if isinstance(value, dict) else {"size": value}
        size = given.get("size", 0)
        if given.get("kind", "file") == "file" and mib_of(size) >= mib_of(disk):
            path = ("swap", "size") if isinstance(value, dict) else ("swap",)
            message = f"a swap file of {size} does not fit on a disk of {disk}"
            yield find(overlay, path, message, "raise disk.size, or ask for less swap")


RULES: tuple[Rule, ...] = (
    error(
        "OUT004",
        "a key for boards on a target that is none",
        "A virtual machine or an instance of a cloud has no config.txt, no radio, no card and no "
        "header pins. What such a key asks for would lie in the image without effect.",
    ),
    error(
        "CFG001",
        "the base has no config.txt",
        "The firmware of a Raspberry Pi reads it from the FAT partition, which Photon mounts at "
        "/boot/efi. A base without one is no image for such a board, or its fstab does not mount "
        "that partition.",
    ),
    error(
        "CFG002",
        "a setting of config.txt that keeps the board from starting, or does nothing",
        "The firmware starts U-Boot, which starts GRUB, which starts Linux: kernel=, arm_64bit= "
        "and enable_uart=1 belong to the first step, and cmdline= and initramfs would belong to "
        "a kernel that the firmware starts itself.",
    ),
    error(
        "CFG003",
        "no filter of config.txt",
        "Settings stand under [all], under a model such as [pi4] or [cm4], or under what the "
        "documentation calls conditional filters: [none], [tryboot], [EDID=…], [0x…], [gpio4=1], "
        "[HDMI:1], [board-type=…]. Under any other name the firmware would never read them.",
    ),
    error(
        "CFG004",
        "a setting of config.txt that is too long",
        "The firmware reads 98 characters of a line and ignores the rest silently.",
    ),
    warning(
        "CFG005",
        "an overlay for a device without a driver",
        "An overlay tells the kernel that a device is there; its driver has to be in the kernel. "
        "Photon's kernels drive none of the usual clocks (DS1307, DS3231, PCF8563) and no 1-Wire, "
        "so the overlay has no effect.",
        _without_driver,
    ),
    error(
        "SER001",
        "no serial port of the board",
        "Photon boots by GRUB, which hands the kernel's arguments on as they are: serial0, which "
        "the firmware of Raspberry Pi OS replaces, is no device there. ttyAMA0 is the full UART, "
        "ttyS0 or ttyS1 the small one.",
    ),
    error(
        "SER002",
        "a serial console that the kernel has no driver for",
        "ttyAMA0 is a PL011, which Photon's kernel for boards drives since 4.0. That of 3.0 knows "
        "the small UART alone: ttyS0.",
    ),
    error(
        "SWAP002",
        "zram of a kernel without it",
        "Photon's kernel for boards has the module zram since 5.0; linux-esx, of appliances, has "
        "it in no release. The service would fail, and as no swap partition is made either, the "
        "machine would have no swap.",
    ),
    error(
        "SWAP003",
        "a swap partition that nothing makes",
        "Photon's image for boards makes one on the first boot. On other disks `swap: 2GiB` makes "
        "a swap file, and an installer makes a partition that stands under install.partitions "
        "with `filesystem: swap`.",
    ),
    error(
        "SWAP004",
        "a swap file for which the disk is too small",
        "The file is made on the first boot, in the root filesystem, which is as large as "
        "`disk.size` at most. A disk grows, so give it the room, or ask for less.",
        _too_much_swap,
    ),
    error(
        "SWAP001",
        "a size of swap that is missing, or has no meaning",
        "A file needs a size. A partition gets a tenth of the card, and `none` is none.",
    ),
    error(
        "WIFI001",
        "no password of a wireless network",
        "WPA2 takes 8 to 63 printable ASCII characters, or 64 hex digits, which are the key "
        "itself. Line ends at the end, as pasting leaves them, are left out.",
    ),
    error(
        "WIFI002",
        "no name of a wireless network",
        "A name (SSID) has 1 to 32 bytes; letters beyond ASCII take two to four each.",
    ),
    error(
        "WIFI003",
        "a wireless network with and without a password",
        "Give psk, by reference, or say open: true. Nothing is open by omission.",
    ),
    error(
        "WIFI004",
        "no code of a country",
        "The radio keeps to the rules of a country, by its ISO 3166 code: GB, not UK.",
    ),
)
