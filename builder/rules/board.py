"""Explanations of what the keys for boards may do wrong: firmware, radio, console, swap."""

from builder.rules.model import Rule, error

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
        "The firmware reads 98 characters of a line and passes over the rest without a word.",
    ),
    error(
        "SER001",
        "no serial port of the board",
        "Photon boots by GRUB, which hands the kernel's arguments on as they are: serial0, which "
        "the firmware of Raspberry Pi OS replaces, is no device there. ttyAMA0 is the full UART, "
        "ttyS0 or ttyS1 the small one.",
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
