"""What the type of a partition says that it is for, in words.

Sources: UEFI 2.10, 5.3.3; the Discoverable Partitions Specification (uapi-group.org); GRUB's
manual, "BIOS installation"; util-linux, ``include/pt-mbr-partnames.h`` and
``include/pt-gpt-partnames.h``.
"""

_GPT = {
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "EFI system partition",
    "21686148-6449-6E6F-744E-656564454649": "BIOS boot partition of GRUB",
    "9E1A2D38-C612-4316-AA26-8B49521E5A8B": "PReP boot partition",
    "BC13C2FF-59E6-4262-A352-B275FD6F7172": "extended boot loader partition",
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "Linux filesystem",
    "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709": "Linux root for x86_64",
    "B921B045-1DF0-41C3-AF44-4C6F280D3FAE": "Linux root for aarch64",
    "933AC7E1-2EB4-4F13-B844-0E14E2AEF915": "Linux /home",
    "3B8F8425-20E0-4F3B-907F-1A25A76F98E8": "Linux /srv",
    "4D21B016-B534-45C2-A9FB-5C16E091FD2D": "Linux /var",
    "7EC6F557-3BC5-4ACA-B293-16EF5DF639D1": "Linux /var/tmp",
    "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F": "Linux swap",
    "E6D6D379-F507-44C2-A23C-238F2A3DF928": "Linux LVM",
    "A19D880F-05FC-4D3B-A006-743F0F84911E": "Linux RAID",
    "8DA63339-0007-60C0-C436-083AC8230908": "Linux, reserved",
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": "Microsoft basic data",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "Microsoft reserved",
}
_MBR = {
    "01": "FAT12",
    "04": "FAT16 below 32 MiB",
    "05": "extended",
    "06": "FAT16",
    "07": "NTFS or exFAT",
    "0b": "FAT32",
    "0c": "FAT32 (LBA)",
    "0e": "FAT16 (LBA)",
    "0f": "extended (LBA)",
    "82": "Linux swap",
    "83": "Linux filesystem",
    "8e": "Linux LVM",
    "ee": "protective entry of a GPT",
    "ef": "EFI system partition",
    "fd": "Linux RAID",
}


def purpose_of(kind: str) -> str:
    """Return what a type of partition is for.

    Args:
        kind: A GPT type GUID, or an MBR type byte as two hex digits.
    """
    known = _GPT.get(kind.upper()) or _MBR.get(kind.lower())
    return known or f"unknown type {kind}"
